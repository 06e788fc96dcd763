import { expect, test } from 'vitest';
import { claimRows, freshName, isFinal, people } from '../agree.ts';
import { awaitUntil } from '../await-until.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';
import { notFound, outOfStock, rounds, slowMs } from './rounds.ts';

/** Coupons deleted or truncated by hand, and coupons of the same name that come after them. */
export function couponsGone(stack: ThisStack): void {
  const sql = () => stack().sql;

  test('a coupon deleted with its claims, and one of the same name again', { timeout: slowMs }, async () => {
    const client = stack().client();
    const name = freshName('deleted');
    for (const _ of rounds) {
      await sql()`insert into coupons (name, amount) values (${name}, 1)`;
      expect((await client.claim(name, 'ann')).status).toBe(200);
      await sql()`delete from coupons where name = ${name}`;
      expectProblem(await client.claim(name, 'bob'), 404, notFound);
      expectProblem(await client.coupon(name), 404, notFound);
    }
  });

  const truncates = [
    'truncate claims, coupons',
    'truncate coupons, claims cascade',
    'truncate coupons cascade',
    'truncate coupons restart identity cascade',
  ];
  test.each(truncates)('%s, and the same name again', { timeout: slowMs }, async statement => {
    const client = stack().client();
    const name = freshName('truncated');
    for (const _ of rounds) {
      await sql()`insert into coupons (name, amount, remaining_amount) values (${name}, 2, 2)`;
      for (const user of people(2)) expect((await client.claim(name, user)).status).toBe(200);
      expectProblem(await client.claim(name, 'person-2'), 400, outOfStock);
      await sql().unsafe(statement);
      expectProblem(await client.claim(name, 'person-0'), 404, notFound);
    }
  });

  test('truncated and filled again in one go', { timeout: slowMs }, async () => {
    const client = stack().client();
    const name = freshName('refilled');
    for (const _ of rounds) {
      await sql().unsafe(
        `truncate claims, coupons; insert into coupons (name, amount) values ('${name}', 2)`,
      );
      for (const user of people(2)) expect((await client.claim(name, user)).status).toBe(200);
      expectProblem(await client.claim(name, 'person-2'), 400, outOfStock);
    }
  });

  test('a book of codes goes with its coupon, and keeps to its name', { timeout: slowMs }, async () => {
    const client = stack().client();
    const name = freshName('book gone');
    const codes = ['GONE-1', 'GONE-2'].map(code => `${code}-${process.pid}`);
    for (const how of ['delete from coupons', 'truncate claims, coupons', 'truncate coupons cascade']) {
      await client.create(name, 5);
      const path = (of: string) => `/api/coupons/${encodeURIComponent(of)}/codes`;
      expect((await client.post(path(name), { codes })).body).toMatchObject({ created: 2, skipped: 0 });
      await sql()`update coupons set name = ${`${name}, renamed`} where name = ${name}`;
      const granted = await client.claim(`${name}, renamed`, 'ann');
      expect([granted.status, codes.includes(granted.body.claim?.code ?? '')]).toEqual([200, true]);
      expect((await client.get(path(`${name}, renamed`))).body.data).toHaveLength(2);
      await sql().unsafe(how);
      expect((await client.get(`/api/codes/${codes[0]}`)).status).toBe(404);
    }
    const orphan = sql()`insert into codes (code, coupon_name) values ('ORPHAN', ${name})`;
    await expect(orphan).rejects.toMatchObject({ code: '23503' });
  });

  test('the ticket of a coupon that is gone is not granted by its namesake', {
    timeout: slowMs,
  }, async () => {
    const client = stack().client();
    const name = freshName('namesake');
    for (const how of ['delete from coupons', 'truncate coupons cascade'] as const) {
      await client.create(name, 5);
      const granted = (await client.join(name, 'ann', { prefer: 'wait=10' })).body.ticket!;
      const undecided = await stack().whileWorkersStand(async () => {
        const ticket = (await client.join(name, 'bob')).body.ticket!;
        await sql().unsafe(how);
        await client.create(name, 5);
        return ticket;
      });
      const newer = (await client.join(name, 'cat', { prefer: 'wait=10' })).body.ticket!;
      for (const user of ['ann', 'bob']) expect((await client.claim(name, user)).status).toBe(200);
      await awaitUntil('the old ticket to come to an end', async () => {
        const { status, body } = await client.ticket(undecided);
        return status === 404 || status === 410 || isFinal(body);
      });
      expect((await client.ticket(undecided)).body.status).not.toBe('granted');
      expect((await client.ticket(granted)).body.status).not.toBe('granted');
      expect((await client.ticket(newer)).body).toMatchObject({ status: 'granted', user_id: 'cat' });
      const rows = await claimRows(stack(), name);
      expect(rows.map(row => row.user_id)).toEqual(['cat', 'ann', 'bob']);
      expect(rows.map(row => row.ticket)).not.toContain(undecided);
      await sql()`delete from coupons where name = ${name}`;
    }
  });
}
