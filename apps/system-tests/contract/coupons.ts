import { describe, expect, test } from 'vitest';
import { claimRows, freshName } from '../agree.ts';
import type { Answer, Body } from '../answers.ts';
import { type ClaimClient, couponPath } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';

const hourMs = 3_600_000;
const fromNow = (ms: number): string => new Date(Date.now() + ms).toISOString();

/** Reads a whole list, page by page. */
async function everyPage(client: ClaimClient, path: string, limit: number): Promise<Body[]> {
  const all: Body[] = [];
  for (let cursor: string | null | undefined = ''; cursor !== null; ) {
    const join = path.includes('?') ? '&' : '?';
    const page: Answer = await client.get(
      `${path}${join}limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`,
    );
    expect(page.status, page.text).toBe(200);
    expect(page.body.data!.length).toBeLessThanOrEqual(limit);
    all.push(...page.body.data!);
    cursor = page.body.next_cursor;
    expect(cursor === null || typeof cursor === 'string').toBe(true);
  }
  return all;
}

/** Reading coupons: one, lists, claims, line, statistics. */
export function coupons(stack: ThisStack): void {
  describe('coupons', () => {
    test('has defaults and gives back what it was given', async () => {
      const client = stack().client();
      const plain = (await client.create(freshName('plain'), 3)).body;
      expect(plain).toMatchObject({ status: 'active', per_user_limit: 1, lock_ttl_seconds: 300 });
      expect([plain.starts_at ?? null, plain.ends_at ?? null]).toEqual([null, null]);

      const window = { starts_at: fromNow(-hourMs), ends_at: fromNow(hourMs) };
      const rich = await client.create(freshName('rich'), 3, {
        ...window,
        per_user_limit: 2,
        metadata: { a: [1] },
      });
      expect(rich.status).toBe(201);
      const read = (await client.coupon(rich.body.name as string)).body;
      expect(read).toMatchObject({ ...window, per_user_limit: 2, metadata: { a: [1] } });
      expect(read).toEqual(rich.body);
    });

    test('listed by page, each once, and by status', async () => {
      const client = stack().client();
      const names = Array.from({ length: 9 }, () => freshName('listed'));
      for (const name of names) await client.create(name, 1);
      await client.change(names[0]!, { status: 'ended' });
      await client.change(names[1]!, { status: 'paused' });

      const listed = (await everyPage(client, '/api/coupons', 4)).map(coupon => coupon.name);
      expect(new Set(listed).size).toBe(listed.length);
      expect(names.filter(name => !listed.includes(name))).toEqual([]);
      for (const [status, index] of [
        ['ended', 0],
        ['paused', 1],
        ['active', 2],
      ] as const) {
        const some = await everyPage(client, `/api/coupons?status=${status}`, 100);
        expect(some.every(coupon => coupon.status === status)).toBe(true);
        expect(names.filter(name => some.some(coupon => coupon.name === name))).toEqual(
          status === 'active' ? names.slice(2) : [names[index]],
        );
      }
    });

    test.each([
      'limit=0',
      'limit=1001',
      'limit=-1',
      'limit=x',
      'limit=1.5',
      'cursor=%00',
      'cursor=nonsense',
      'status=odd',
    ])('a list asked for with %s is refused', async query => {
      expectProblem(await stack().client().get(`/api/coupons?${query}`), 400);
    });

    test('claims in claim order, by page', async () => {
      const client = stack().client();
      const name = freshName('claims');
      await client.create(name, 10);
      const order = ['c', 'a', 'e', 'b', 'd'];
      for (const user of order) expect((await client.claim(name, user)).status).toBe(200);
      const claims = await everyPage(client, `${couponPath(name)}/claims`, 2);
      expect(claims.map(claim => claim.user_id)).toEqual(order);
      expect(claims.map(claim => claim.sequence)).toEqual([1, 2, 3, 4, 5]);
      const rows = await claimRows(stack(), name);
      expect(claims.map(claim => claim.ticket)).toEqual(rows.map(row => row.ticket));
      expect(new Set(claims.map(claim => claim.claim_id)).size).toBe(5);
      for (const claim of claims) expect(Date.parse(String(claim.granted_at))).not.toBeNaN();
      expectProblem(await client.get(`${couponPath(freshName('none'))}/claims`), 404, {
        code: 'coupon_not_found',
      });
    });

    test('the line', async () => {
      const client = stack().client();
      const name = freshName('line');
      await client.create(name, 3);
      await client.claim(name, 'a');
      const line = await client.get(`${couponPath(name)}/line`);
      expect(line.status).toBe(200);
      expect(line.headers.get('cache-control')).toMatch(/max-age=1\b/);
      expect(line.body).toMatchObject({ status: 'active', in_line: 0 });
      // Null until it is measured: nobody is told a rate that was guessed.
      expect(line.body.settled_per_second ?? 0).toBeGreaterThanOrEqual(0);
      expect(line.body).toHaveProperty('settled_per_second');
      expect([2, 3]).toContain(line.body.remaining_amount);
      expect(Date.parse(String(line.body.updated_at))).not.toBeNaN();
      expectProblem(await client.get(`${couponPath(freshName('none'))}/line`), 404, {
        code: 'coupon_not_found',
      });
    });

    test('the statistics', async () => {
      const client = stack().client();
      const name = freshName('stats');
      await client.create(name, 3);
      await client.claim(name, 'a');
      const stats = await client.get(`${couponPath(name)}/stats`);
      expect(stats.status, stats.text).toBe(200);
      expect(stats.body).toMatchObject({ claims: 1, redeemed: 0, validations: 0 });
      const none = await client.get(`${couponPath(freshName('none'))}/stats`);
      expectProblem(none, 404, { code: 'coupon_not_found' });
    });
  });
}
