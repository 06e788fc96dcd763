import { describe, expect, test } from 'vitest';
import { claimRows, freshName, outcomes, people } from '../agree.ts';
import type { Answer } from '../answers.ts';
import { couponPath } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';

/** Holds an answer against the shape of 202 and answers the ticket. */
export function expectAccepted(answer: Answer, name: string, user: string): string {
  expect(answer.status, answer.text).toBe(202);
  expect(answer.body).toMatchObject({ coupon_name: name, user_id: user });
  expect(answer.headers.get('location')).toBe(`/api/tickets/${answer.body.ticket}`);
  const retryAfter = Number(answer.headers.get('retry-after'));
  expect(Number.isInteger(retryAfter) && retryAfter >= 1 && retryAfter <= 30, `${retryAfter}`).toBe(true);
  return answer.body.ticket!;
}

/** POST /api/coupons/{name}/claims of people who are accepted. */
export function claims(stack: ThisStack): void {
  describe('claims', () => {
    test('in line, then granted', async () => {
      const client = stack().client();
      const name = freshName('in line');
      await client.create(name, 3);
      const accepted = await client.join(name, 'ann');
      const ticket = expectAccepted(accepted, name, 'ann');
      expect(accepted.body.status).toBe('queued');
      expect(accepted.body.eta!.known).toBeTypeOf('boolean');
      expect(Date.parse(String(accepted.body.created_at))).not.toBeNaN();
      const told = (await outcomes(client, [ticket])).get(ticket)!.body;
      const [row] = await claimRows(stack(), name);
      expect(row).toMatchObject({ user_id: 'ann', ticket, sequence: 1 });
      expect(told).toMatchObject({
        ticket,
        coupon_name: name,
        user_id: 'ann',
        status: 'granted',
        claim: { sequence: 1 },
      });
      const listed = (await client.get(`${couponPath(name)}/claims`)).body.data![0]!;
      expect(listed).toMatchObject({ user_id: 'ann', ticket, claim_id: told.claim!.claim_id });
    });

    test('the same person again while undecided holds the same ticket', async () => {
      const client = stack().client();
      const name = freshName('again');
      await client.create(name, 3);
      const [tickets, other] = await stack().whileWorkersStand(async () => {
        const first = await client.join(name, 'ann');
        expect(first.body.deduplicated ?? false).toBe(false);
        const more = await Promise.all(people(8).map(() => client.join(name, 'ann')));
        for (const answer of more) {
          expectAccepted(answer, name, 'ann');
          expect(answer.body).toMatchObject({ ticket: first.body.ticket, deduplicated: true });
        }
        return [
          more.map(answer => answer.body.ticket!),
          expectAccepted(await client.join(name, 'bob'), name, 'bob'),
        ];
      });
      expect(other).not.toBe(tickets[0]);
      const told = await outcomes(client, [tickets[0]!, other]);
      expect([...told.values()].map(answer => answer.body.status)).toEqual(['granted', 'granted']);
      expect((await claimRows(stack(), name)).map(row => row.user_id)).toEqual(['ann', 'bob']);
    });

    test('ten times at once, undecided: one ticket', async () => {
      const client = stack().client();
      const name = freshName('at once');
      await client.create(name, 30);
      const answers = await stack().whileWorkersStand(() =>
        Promise.all(people(10).map(() => client.join(name, 'ann'))),
      );
      expect(new Set(answers.map(answer => expectAccepted(answer, name, 'ann'))).size).toBe(1);
      expect(answers.filter(answer => !answer.body.deduplicated).length).toBe(1);
      await outcomes(client, [answers[0]!.body.ticket!]);
      expect((await claimRows(stack(), name)).length).toBe(1);
    });

    test('Prefer: wait answers the decided ticket', async () => {
      const client = stack().client();
      const name = freshName('prefer');
      await client.create(name, 3);
      const decided = await client.join(name, 'ann', { prefer: 'wait=10' });
      expect(decided.status).toBe(200);
      expect(decided.headers.get('preference-applied')).toBe('wait=10');
      expect(decided.body).toMatchObject({ status: 'granted', user_id: 'ann', claim: { sequence: 1 } });
    });

    test('Prefer: wait gives up with the ticket, and nobody is forgotten', async () => {
      const client = stack().client();
      const name = freshName('give up');
      await client.create(name, 3);
      const undecided = await stack().whileWorkersStand(() => client.join(name, 'ann', { prefer: 'wait=1' }));
      const ticket = expectAccepted(undecided, name, 'ann');
      expect(undecided.tookMs).toBeGreaterThan(900);
      expect((await outcomes(client, [ticket])).get(ticket)!.body.status).toBe('granted');
    });

    test.each([
      'wait=0',
      'wait=31',
      'wait=-1',
      'wait=x',
      'wait',
      'respond-async',
      'handling=lenient; wait=2',
    ])('Prefer: %s does no harm', async prefer => {
      const client = stack().client();
      const name = freshName('odd prefer');
      await client.create(name, 3);
      expect([200, 202, 400]).toContain((await client.join(name, 'ann', { prefer })).status);
    });

    test("a person's claims, newest first", async () => {
      const client = stack().client();
      const user = freshName('collector/of "claims"');
      const names = [1, 2, 3].map(() => freshName('collected'));
      for (const name of names) {
        await client.create(name, 1);
        expect((await client.claim(name, user)).status).toBe(200);
      }
      const path = `/api/users/${encodeURIComponent(user)}/claims`;
      const list = await client.get(path);
      expect(list.status).toBe(200);
      expect(list.body.data!.map(claim => claim.coupon_name)).toEqual(names.toReversed());
      const first = (await client.get(`${path}?limit=2`)).body;
      const rest = await client.get(`${path}?limit=2&cursor=${encodeURIComponent(first.next_cursor!)}`);
      expect(rest.body.data!.map(claim => claim.coupon_name)).toEqual([names[0]]);
      expect((await client.get('/api/users/nobody-at-all/claims')).body).toEqual({
        data: [],
        next_cursor: null,
      });
    });
  });
}
