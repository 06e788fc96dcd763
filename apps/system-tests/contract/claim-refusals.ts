import { describe, expect, test } from 'vitest';
import { claimRows, freshName, outcomes, people } from '../agree.ts';
import { couponPath } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';
import { expectAccepted } from './claims.ts';

/** Bodies of POST .../claims that are refused, and the field that `errors` names. */
const bad: [string, unknown, string][] = [
  ['no user', {}, 'user_id'],
  ['an empty user', { user_id: '' }, 'user_id'],
  ['a null user', { user_id: null }, 'user_id'],
  ['a blank user', { user_id: ' \n' }, 'user_id'],
  ['a user of 256', { user_id: 'x'.repeat(256) }, 'user_id'],
  ['a number as user', { user_id: 5 }, 'user_id'],
  ['an address that is none', { user_id: 'u', callback_url: 'nowhere' }, 'callback_url'],
  ['an address of a file', { user_id: 'u', callback_url: 'file:///etc/passwd' }, 'callback_url'],
  ['metadata that is a string', { user_id: 'u', metadata: 'm' }, 'metadata'],
];

/** POST /api/coupons/{name}/claims of people who are refused: by the route, at the gate, in the line. */
export function claimRefusals(stack: ThisStack): void {
  describe('claims that are refused', () => {
    test.each(bad)('%s is refused', async (_, sent, field) => {
      const client = stack().client();
      const name = freshName('bad');
      await client.create(name, 3);
      expectProblem(await client.post(`${couponPath(name)}/claims`, sent), 400, { fields: [field] });
    });

    test('an unknown field, and an unknown coupon', async () => {
      const client = stack().client();
      const name = freshName('odd');
      await client.create(name, 3);
      const path = `${couponPath(name)}/claims`;
      expectProblem(await client.post(path, { user_id: 'u', coupon_name: name, quantity: 2 }), 400);
      expectProblem(await client.join(freshName('none'), 'u'), 404, {
        code: 'coupon_not_found',
        error: 'coupon not found',
      });
      expect(await claimRows(stack(), name)).toEqual([]);
    });

    test('refused at the gate: already claimed, with the ticket of that claim', async () => {
      const client = stack().client();
      const name = freshName('already');
      await client.create(name, 3);
      const { ticket } = (await client.join(name, 'ann', { prefer: 'wait=10' })).body;
      const again = await client.join(name, 'ann');
      expectProblem(again, 409, { code: 'already_claimed' });
      expect(again.body.ticket).toBe(ticket);
      const byForm = await client.claim(name, 'ann');
      expectProblem(byForm, 409, { code: 'already_claimed', error: 'coupon already claimed by user' });
    });

    test('refused at the gate: sold out; welcome again when there is more', async () => {
      const client = stack().client();
      const name = freshName('sold out');
      await client.create(name, 1);
      await client.claim(name, 'ann');
      for (const user of ['bob', 'bob', 'cat'])
        expectProblem(await client.join(name, user), 409, { code: 'sold_out' });
      await client.change(name, { amount: 2 });
      const granted = await client.join(name, 'bob', { prefer: 'wait=10' });
      expect(granted.body.status, granted.text).toBe('granted');
      expectProblem(await client.join(name, 'cat'), 409, { code: 'sold_out' });
      expectProblem(await client.join(name, 'ann'), 409, { code: 'already_claimed' });
    });

    test('refused in the line, the person may claim again', async () => {
      const client = stack().client();
      const name = freshName('refused');
      await client.create(name, 1);
      const ticket = await stack().whileWorkersStand(async () => {
        const accepted = expectAccepted(await client.join(name, 'ann'), name, 'ann');
        await stack().sql`update coupons set remaining_amount = 0 where name = ${name}`;
        return accepted;
      });
      const told = (await outcomes(client, [ticket])).get(ticket)!.body;
      expect(told).toMatchObject({ status: 'refused', reason: 'sold_out' });
      await client.change(name, { amount: 2 });
      const second = await client.join(name, 'ann', { prefer: 'wait=10' });
      expect(second.body.status, second.text).toBe('granted');
      expect(second.body.ticket).not.toBe(ticket);
      expect((await client.ticket(ticket)).body.status).toBe('refused');
    });

    test('two each: the third is refused, whoever asks at once', async () => {
      const client = stack().client();
      const name = freshName('two each');
      await client.create(name, 10, { per_user_limit: 2 });
      const simple = [
        await client.claim(name, 'ann'),
        await client.claim(name, 'ann'),
        await client.claim(name, 'ann'),
      ];
      expect(simple.map(answer => answer.status)).toEqual([200, 200, 409]);
      expect((await client.coupon(name)).body).toMatchObject({ remaining_amount: 8, claimed_count: 2 });
      for (let round = 0; round < 4; round++)
        await Promise.all(people(6).map(() => client.claim(name, 'bob')));
      const rows = await claimRows(stack(), name);
      expect(rows.map(row => `${row.user_id} ${row.ordinal}`).sort()).toEqual([
        'ann 1',
        'ann 2',
        'bob 1',
        'bob 2',
      ]);
      expect(rows.map(row => row.sequence)).toEqual([1, 2, 3, 4]);
    });
  });
}
