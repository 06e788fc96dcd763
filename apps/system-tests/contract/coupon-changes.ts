import { describe, expect, test } from 'vitest';
import { freshName } from '../agree.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';

const hourMs = 3_600_000;
const fromNow = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** Changing a coupon: its amount, its status, its window. */
export function couponChanges(stack: ThisStack): void {
  describe('changes of a coupon', () => {
    test('the amount goes up and down, never under what is granted', async () => {
      const client = stack().client();
      const name = freshName('amount');
      await client.create(name, 2);
      for (const user of ['a', 'b']) await client.claim(name, user);
      expectProblem(await client.claim(name, 'c'), 400, { error: 'coupon out of stock' });

      const raised = await client.change(name, { amount: 5 });
      expect([raised.status, raised.body.amount, raised.body.remaining_amount]).toEqual([200, 5, 3]);
      expect((await client.claim(name, 'c')).status).toBe(200);
      expectProblem(await client.change(name, { amount: 2 }), 409, { code: 'below_granted' });
      expect((await client.coupon(name)).body).toMatchObject({ amount: 5, remaining_amount: 2 });
      const lowered = await client.change(name, { amount: 3 });
      expect([lowered.status, lowered.body.amount, lowered.body.remaining_amount]).toEqual([200, 3, 0]);
      expectProblem(await client.claim(name, 'd'), 400, { error: 'coupon out of stock' });
      expect((await client.change(name, { amount: 4 })).status).toBe(200);
      expect((await client.claim(name, 'd')).status).toBe(200);
    });

    test('changes that are refused change nothing', async () => {
      const client = stack().client();
      const name = freshName('unchanged');
      const before = (await client.create(name, 2)).body;
      const odd = [
        { amount: 0 },
        { amount: -1 },
        { amount: 1.5 },
        { amount: '5' },
        { amount: 2_147_483_648 },
        { status: 'open' },
        { status: 5 },
        { starts_at: 'soon' },
        { starts_at: fromNow(hourMs), ends_at: fromNow(-hourMs) },
        { remaining_amount: 5 },
        { name: 'other' },
        { amount: 9, colour: 'red' },
      ];
      for (const fields of odd) expectProblem(await client.change(name, fields), 400);
      expect((await client.coupon(name)).body).toEqual(before);
      expectProblem(await client.change(freshName('none'), { amount: 5 }), 404, { code: 'coupon_not_found' });
    });

    test('one end of the window is compared with the other as it stands', async () => {
      const client = stack().client();
      const name = freshName('end');
      const window = { starts_at: '2030-01-02T00:00:00Z', ends_at: '2030-01-03T00:00:00Z' };
      const before = (await client.create(name, 2, window)).body;
      for (const [fields, error] of [
        [{ ends_at: '2030-01-01T00:00:00Z' }, 'invalid request: ends_at must be after starts_at'],
        [{ ends_at: window.starts_at }, 'invalid request: ends_at must be after starts_at'],
        [{ starts_at: '2030-01-04T00:00:00Z' }, 'invalid request: starts_at must be before ends_at'],
      ] as const)
        expectProblem(await client.change(name, fields), 400, { error, fields: Object.keys(fields) });
      expect((await client.coupon(name)).body).toEqual(before);
      expect((await client.change(name, { ends_at: null })).status).toBe(200);
      expect((await client.change(name, { starts_at: '2030-01-04T00:00:00Z' })).status).toBe(200);
    });

    test('paused, opened again, ended', async () => {
      const client = stack().client();
      const name = freshName('paused');
      await client.create(name, 5);
      expect((await client.change(name, { status: 'paused' })).body.status).toBe('paused');
      expectProblem(await client.join(name, 'a'), 409, { code: 'paused' });
      expectProblem(await client.claim(name, 'a'), 409, { code: 'paused' });
      expect((await client.change(name, { status: 'active' })).status).toBe(200);
      expect((await client.claim(name, 'a')).status).toBe(200);
      expect((await client.change(name, { status: 'ended' })).body.status).toBe('ended');
      expectProblem(await client.join(name, 'b'), 409, { code: 'ended' });
      expect((await client.coupon(name)).body).toMatchObject({ status: 'ended', claimed_by: ['a'] });
    });

    test('not started, with Retry-After to the start; then over', async () => {
      const client = stack().client();
      const name = freshName('window');
      await client.create(name, 5, { starts_at: fromNow(hourMs) });
      const early = await client.join(name, 'a');
      expectProblem(early, 409, { code: 'not_started' });
      const retryAfter = Number(early.headers.get('retry-after'));
      expect(retryAfter).toBeGreaterThan(3_500);
      expect(retryAfter).toBeLessThanOrEqual(3_601);
      expect(
        (await client.change(name, { starts_at: fromNow(-hourMs), ends_at: fromNow(-1_000) })).status,
      ).toBe(200);
      expectProblem(await client.join(name, 'a'), 409, { code: 'ended' });
      expect((await client.change(name, { ends_at: null })).status).toBe(200);
      expect((await client.claim(name, 'a')).status).toBe(200);
    });

    test('opens at its start by the clock of the database, not before', async () => {
      const client = stack().client();
      const name = freshName('opening');
      await client.create(name, 5);
      await stack().sql`update coupons set starts_at = now() + interval '1500 ms' where name = ${name}`;
      let refusals = 0;
      for (;;) {
        const answer = await client.join(name, `early-${refusals}`);
        if (answer.status === 202) break;
        expectProblem(answer, 409, { code: 'not_started' });
        refusals += 1;
        expect(refusals).toBeLessThan(5_000);
      }
      expect(refusals).toBeGreaterThan(0);
      await client.claim(name, 'later');
      const [row] = await stack().sql`
        select bool_and(c.created_at >= o.starts_at) as in_time, count(*)::int as granted
        from claims c join coupons o on o.name = c.coupon_name where o.name = ${name}`;
      expect({ ...row }).toEqual({ in_time: true, granted: 2 });
    });
  });
}
