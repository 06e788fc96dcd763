import { randomUUID } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JobClaim } from './job.ts';
import type { Decision } from './outcome.ts';
import { fail } from './settle.ts';
import { awkwardUsers } from './testing-gate.ts';
import {
  claimRows,
  claimsOf,
  inBrief,
  insertCoupon,
  openSettleDatabase,
  people,
  readCouponRow,
  settleClaims,
  settleUsers,
} from './testing-settle.ts';

let database: Awaited<ReturnType<typeof openSettleDatabase>>;
let sql: Sql;
beforeAll(async () => {
  database = await openSettleDatabase();
  sql = database.sql;
});
afterAll(() => database.close());

describe('stock', () => {
  test('goes to the first in line, in line order, with a sequence without gaps', async () => {
    const coupon = await insertCoupon(sql, { amount: 5 });
    const claims = claimsOf(people(8));
    const news = await settleClaims(sql, coupon, claims);
    expect([...news.decisions.keys()].sort()).toEqual(claims.map(([ticket]) => ticket).sort());
    const outcomes = claims.map(([ticket]) => news.decisions.get(ticket));
    expect(outcomes.map(inBrief)).toEqual([...Array(5).fill('granted'), ...Array(3).fill('sold_out')]);
    expect(outcomes.slice(0, 5)).toMatchObject([1, 2, 3, 4, 5].map(sequence => ({ sequence, held: 1 })));
    expect(news).toMatchObject({ couponId: coupon.id, couponName: coupon.name, state: { remaining: 0 } });
    expect(await claimRows(sql, coupon)).toEqual(
      claims.slice(0, 5).map(([ticket, user_id], i) => ({ user_id, ordinal: 1, sequence: i + 1, ticket })),
    );
    const refusals = await sql`
      select ticket, coupon_id, coupon_name, user_id, reason from refusals where coupon_id = ${coupon.id} order by user_id`;
    expect([...refusals]).toEqual(
      claims.slice(5).map(([ticket, user_id]) => ({
        ticket,
        coupon_id: coupon.id,
        coupon_name: coupon.name,
        user_id,
        reason: 'sold_out',
      })),
    );
    expect(await readCouponRow(sql, coupon.name)).toMatchObject({
      remaining_amount: 0,
      granted_count: 5,
      claimed_count: 5,
      amount: 5,
    });
  });

  test('the state it tells is the row as it left it, in the same epoch', async () => {
    const coupon = await insertCoupon(sql, { amount: 5 });
    const news = await settleClaims(sql, coupon, claimsOf(people(2)));
    const row = await readCouponRow(sql, coupon.name);
    expect(news.state).toEqual({ epoch: 1, claimsEpoch: 1, revision: row?.revision, remaining: 3 });
    expect(row).toMatchObject({ epoch: 1, claims_epoch: 1 });
  });

  test('batches follow each other in the sequence', async () => {
    const coupon = await insertCoupon(sql, { amount: 7 });
    for (const batch of ['a', 'b', 'c']) await settleUsers(sql, coupon, people(3, batch));
    const rows = await claimRows(sql, coupon);
    expect(rows.map(row => row.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(rows.map(row => row.user_id)).toEqual([...people(3, 'a'), ...people(3, 'b'), 'c 0']);
  });

  test('raised between two batches it is there for the next, lowered it is not', async () => {
    const coupon = await insertCoupon(sql, { amount: 1 });
    expect((await settleUsers(sql, coupon, ['a', 'b'])).map(inBrief)).toEqual(['granted', 'sold_out']);
    await sql`update coupons set amount = 4, remaining_amount = remaining_amount + 3 where id = ${coupon.id}`;
    expect((await settleUsers(sql, coupon, ['a', 'b', 'c'])).map(inBrief)).toEqual([
      'already_claimed',
      'granted',
      'granted',
    ]);
    await sql`update coupons set amount = 3, remaining_amount = 0 where id = ${coupon.id}`;
    expect((await settleUsers(sql, coupon, ['d'])).map(inBrief)).toEqual(['sold_out']);
    expect((await claimRows(sql, coupon)).map(row => row.sequence)).toEqual([1, 2, 3]);
  });

  test('metadata is kept with the claim', async () => {
    const coupon = await insertCoupon(sql, {});
    const metadata = { a: 1, text: 'quote " \\ \n ☂', list: [null, true] };
    const [first, second] = claimsOf(['a', 'b']) as [JobClaim, JobClaim];
    await settleClaims(sql, coupon, [[first[0], first[1], first[2], JSON.stringify(metadata)], second]);
    const rows = await sql`select metadata from claims where coupon_name = ${coupon.name} order by sequence`;
    expect(rows.map(row => row.metadata)).toEqual([metadata, null]);
  });

  test('people and coupons are told apart by every byte of their names', async () => {
    const coupon = await insertCoupon(sql, { name: `"quoted" 'name' \\ ☂ 🎟 \n %s ${randomUUID()}` });
    expect((await settleUsers(sql, coupon, awkwardUsers)).map(inBrief)).toEqual(
      awkwardUsers.map(() => 'granted'),
    );
    expect((await claimRows(sql, coupon)).map(row => row.user_id)).toEqual(awkwardUsers);
    const again = await settleUsers(sql, coupon, awkwardUsers);
    expect(again.map(inBrief)).toEqual(awkwardUsers.map(() => 'already_claimed'));
    expect(again.map(decision => decision.userId)).toEqual(awkwardUsers);
  });
});

describe('a job that runs twice', () => {
  test('gets identical outcomes, and nothing is taken again', async () => {
    const coupon = await insertCoupon(sql, { amount: 3 });
    await settleUsers(sql, coupon, ['early']);
    const claims = claimsOf(['early', ...people(4)]);
    const first = await settleClaims(sql, coupon, claims);
    const before = [await claimRows(sql, coupon), await readCouponRow(sql, coupon.name)];
    // Whatever happened to the coupon meanwhile.
    await sql`update coupons set status = 'paused', amount = 9, remaining_amount = 6 where id = ${coupon.id}`;
    const second = await settleClaims(sql, coupon, claims);
    const timeless = (decisions: Map<string, Decision>) =>
      [...decisions].map(([ticket, decision]) => [ticket, { ...decision, decidedAtMs: 0 }]);
    expect(timeless(second.decisions)).toEqual(timeless(first.decisions));
    expect(await claimRows(sql, coupon)).toEqual(before[0]);
    expect(await readCouponRow(sql, coupon.name)).toMatchObject({ remaining_amount: 6, granted_count: 3 });
  });

  test('gets the time of the decision, not of the rerun', async () => {
    const coupon = await insertCoupon(sql, { amount: 1 });
    const claims = claimsOf(['a', 'b']);
    const first = await settleClaims(sql, coupon, claims);
    await sql`update claims set created_at = created_at - interval '1 minute' where coupon_name = ${coupon.name}`;
    await sql`update refusals set decided_at = decided_at - interval '1 minute' where coupon_id = ${coupon.id}`;
    const second = await settleClaims(sql, coupon, claims);
    for (const [ticket] of claims)
      expect(second.decisions.get(ticket)?.decidedAtMs).toBeLessThan(
        (first.decisions.get(ticket)?.decidedAtMs ?? 0) - 50_000,
      );
  });

  test('gets the time that a process reads from the tables which has not heard of the outcome', async () => {
    // Only where the microseconds round up could the two differ.
    for (const name of people(20)) {
      const coupon = await insertCoupon(sql, { amount: 1 });
      const claims = claimsOf([name, 'late']);
      const told = await settleClaims(sql, coupon, claims);
      const stored = await sql<{ ticket: string; at: Date }[]>`
        select ticket, created_at as at from claims where coupon_name = ${coupon.name}
        union all select ticket, decided_at from refusals where coupon_id = ${coupon.id}`;
      const again = await settleClaims(sql, coupon, claims);
      for (const { decisions } of [told, again])
        expect(stored.map(({ ticket }) => decisions.get(ticket)?.decidedAtMs)).toEqual(
          stored.map(({ at }) => at.getTime()),
        );
    }
  });

  test('may have new claims in its company, in any order', async () => {
    const coupon = await insertCoupon(sql, { amount: 4 });
    const old = claimsOf(people(2, 'old'));
    await settleClaims(sql, coupon, old);
    const fresh = claimsOf(people(3, 'new'));
    const mixed = [fresh[0], old[1], fresh[1], old[0], fresh[2]] as JobClaim[];
    const { decisions } = await settleClaims(sql, coupon, mixed);
    expect(mixed.map(([ticket]) => inBrief(decisions.get(ticket)))).toEqual([
      'granted',
      'granted',
      'granted',
      'granted',
      'sold_out',
    ]);
    expect((await claimRows(sql, coupon)).map(row => row.user_id)).toEqual([
      'old 0',
      'old 1',
      'new 0',
      'new 1',
    ]);
  });
});

describe('a person', () => {
  test('gets one, also of two claims in one batch; the second is told which', async () => {
    const coupon = await insertCoupon(sql, {});
    const claims = claimsOf(['ada', 'eve', 'ada']);
    const { decisions } = await settleClaims(sql, coupon, claims);
    expect(decisions.get((claims[2] as JobClaim)[0])).toMatchObject({
      reason: 'already_claimed',
      heldTicket: (claims[0] as JobClaim)[0],
    });
    expect((await claimRows(sql, coupon)).map(row => row.user_id)).toEqual(['ada', 'eve']);
    const [later] = await settleUsers(sql, coupon, ['ada']);
    expect(later).toMatchObject({ reason: 'already_claimed', heldTicket: (claims[0] as JobClaim)[0] });
  });

  test.each<[string, Parameters<typeof insertCoupon>[1], string]>([
    ['sold out', { remaining_amount: 0 }, 'sold_out'],
    ['paused', { status: 'paused' }, 'paused'],
    ['ended', { status: 'ended' }, 'ended'],
  ])(
    'who gets nothing of a coupon that is %s holds none: each of their claims is told why',
    async (_, facts, reason) => {
      const coupon = await insertCoupon(sql, facts);
      expect((await settleUsers(sql, coupon, ['ada', 'eve', 'ada'])).map(inBrief)).toEqual([
        reason,
        reason,
        reason,
      ]);
    },
  );

  test('gets as many as the limit says, in one batch or several', async () => {
    const coupon = await insertCoupon(sql, { per_user_limit: 3 });
    const first = await settleUsers(sql, coupon, ['ada', 'ada', 'eve']);
    expect(first).toMatchObject([{ held: 1 }, { held: 2 }, { held: 1 }]);
    const second = await settleUsers(sql, coupon, ['ada', 'ada', 'eve', 'ada']);
    expect(second.map(inBrief)).toEqual(['granted', 'already_claimed', 'granted', 'already_claimed']);
    const rows = await claimRows(sql, coupon);
    expect(rows.map(row => [row.user_id, row.ordinal])).toEqual([
      ['ada', 1],
      ['ada', 2],
      ['eve', 1],
      ['ada', 3],
      ['eve', 2],
    ]);
    const held = second.map(decision => decision.status === 'refused' && decision.heldTicket);
    const adas = rows.filter(row => row.user_id === 'ada').map(row => row.ticket);
    expect(adas).toContain(held[1]);
    expect(adas).toContain(held[3]);
  });

  test('whose limit is not reached when the stock is gone is told that', async () => {
    const coupon = await insertCoupon(sql, { amount: 2, per_user_limit: 3 });
    expect((await settleUsers(sql, coupon, Array(5).fill('ada'))).map(inBrief)).toEqual([
      ...['granted', 'granted'],
      ...['sold_out', 'sold_out', 'sold_out'],
    ]);
  });

  test('may claim again when their claim was deleted by hand, and not when one was inserted', async () => {
    const coupon = await insertCoupon(sql, { amount: 5 });
    await settleUsers(sql, coupon, ['ada']);
    await sql`delete from claims where coupon_name = ${coupon.name}`;
    await sql`insert into claims (user_id, coupon_name) values ('eve', ${coupon.name})`;
    const [ada, eve] = await settleUsers(sql, coupon, ['ada', 'eve']);
    expect(ada).toMatchObject({ status: 'granted', sequence: 3 });
    expect(eve).toMatchObject({ reason: 'already_claimed', heldTicket: null });
  });
});

describe('the tables themselves', () => {
  test('take no claim twice and no stock below nothing, whoever writes them', async () => {
    const coupon = await insertCoupon(sql, { amount: 1 });
    const [claim] = claimsOf(['ada']);
    await settleClaims(sql, coupon, [claim as JobClaim]);
    const insert = (user: string, sequence: number, ticket: string | null) => sql`
      insert into claims (user_id, coupon_name, sequence, ticket)
      values (${user}, ${coupon.name}, ${sequence}, ${ticket})`;
    const twice = { code: '23505' };
    await expect(insert('ada', 2, null)).rejects.toMatchObject(twice);
    await expect(insert('eve', 1, null)).rejects.toMatchObject(twice);
    await expect(insert('eve', 2, claim?.[0] ?? '')).rejects.toMatchObject(twice);
    await expect(
      sql`update coupons set remaining_amount = remaining_amount - 1 where id = ${coupon.id}`,
    ).rejects.toMatchObject({ code: '23514' });
  });
});

describe('the state of the sale', () => {
  const hour = (hours: number) => sql`now() + ${hours} * interval '1 hour'`;

  test('follows the database clock', async () => {
    const coupon = await insertCoupon(sql, {});
    const setWindow = (from: ReturnType<typeof hour> | null, to: ReturnType<typeof hour> | null) =>
      sql`update coupons set starts_at = ${from}, ends_at = ${to} where id = ${coupon.id}`;
    const cases: [number | null, number | null, string][] = [
      [1, 2, 'not_started'],
      [1, null, 'not_started'],
      [-2, -1, 'ended'],
      [null, -1, 'ended'],
      [-1, 1, 'granted'],
      [null, 1, 'granted'],
      [-1, null, 'granted'],
    ];
    for (const [i, [from, to, expected]] of cases.entries()) {
      await setWindow(from === null ? null : hour(from), to === null ? null : hour(to));
      expect([from, to, ...(await settleUsers(sql, coupon, [`person ${i}`])).map(inBrief)]).toEqual([
        from,
        to,
        expected,
      ]);
    }
  });

  test('already_claimed comes first, then paused, ended, not_started, sold_out', async () => {
    const coupon = await insertCoupon(sql, { amount: 1 });
    expect((await settleUsers(sql, coupon, ['holder'])).map(inBrief)).toEqual(['granted']);
    const reasons = async () => (await settleUsers(sql, coupon, ['holder', 'new'])).map(inBrief);
    expect(await reasons()).toEqual(['already_claimed', 'sold_out']);
    await sql`update coupons set starts_at = ${hour(1)} where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'not_started']);
    await sql`update coupons set status = 'ended' where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'ended']);
    await sql`update coupons set status = 'paused' where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'paused']);
    await sql`update coupons set starts_at = ${hour(-2)}, ends_at = ${hour(-1)} where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'paused']);
    await sql`update coupons set status = 'active' where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'ended']);
  });

  test('of a coupon that does not exist nothing is granted, and the refusal keeps the name it had', async () => {
    const gone = { id: randomUUID(), name: 'a name that was' };
    const claims = claimsOf(['ada', 'ada', 'eve']);
    const news = await settleClaims(sql, gone, claims);
    expect(news).toMatchObject({ couponId: gone.id, couponName: gone.name, state: null });
    expect(claims.map(([ticket]) => inBrief(news.decisions.get(ticket)))).toEqual(
      Array(3).fill('coupon_not_found'),
    );
    const rows = await sql`select distinct coupon_name, reason from refusals where coupon_id = ${gone.id}`;
    expect([...rows]).toEqual([{ coupon_name: gone.name, reason: 'coupon_not_found' }]);
  });

  test('a coupon of the same name is another coupon', async () => {
    const coupon = await insertCoupon(sql, {});
    await settleUsers(sql, coupon, ['ada']);
    await sql`delete from coupons where id = ${coupon.id}`;
    const successor = await insertCoupon(sql, { name: coupon.name });
    expect((await settleUsers(sql, coupon, ['eve'])).map(inBrief)).toEqual(['coupon_not_found']);
    expect((await settleUsers(sql, successor, ['ada'])).map(inBrief)).toEqual(['granted']);
  });

  test('a coupon that is renamed keeps its claims and its lane', async () => {
    const coupon = await insertCoupon(sql, {});
    const claims = claimsOf(['ada']);
    const first = await settleClaims(sql, coupon, claims);
    const name = `renamed ${coupon.name}`;
    await sql`update coupons set name = ${name} where id = ${coupon.id}`;
    const again = await settleClaims(sql, coupon, claims);
    expect(again.couponName).toBe(name);
    const [ticket] = claims[0] as JobClaim;
    expect(again.decisions.get(ticket)).toMatchObject({ status: 'granted', sequence: 1 });
    expect(first.decisions.get(ticket)).toMatchObject({ status: 'granted', sequence: 1 });
  });
});

describe('a job that is dead', () => {
  test('leaves failed tickets, which a later settle decides', async () => {
    const coupon = await insertCoupon(sql, { amount: 2 });
    const decided = claimsOf(['granted', 'granted']);
    await settleClaims(sql, coupon, decided);
    const fresh = claimsOf(['ada', 'eve']);
    const batch = { couponId: coupon.id, couponName: coupon.name, claims: [...decided, ...fresh] };
    await fail(sql, batch);
    await fail(sql, batch);
    const reasons = () => sql<{ user_id: string; reason: string }[]>`
      select user_id, reason from refusals where coupon_id = ${coupon.id} order by user_id`;
    expect((await reasons()).map(row => [row.user_id, row.reason])).toEqual([
      ['ada', 'failed'],
      ['eve', 'failed'],
      ['granted', 'already_claimed'],
    ]);
    const { decisions } = await settleClaims(sql, coupon, fresh);
    expect(fresh.map(([ticket]) => inBrief(decisions.get(ticket)))).toEqual(['granted', 'sold_out']);
    const [ada] = fresh[0] as JobClaim;
    expect((await reasons()).find(row => row.user_id === 'eve')?.reason).toBe('sold_out');
    // A ticket has one outcome: what failed before it was granted is no refusal of it.
    await fail(sql, batch);
    expect((await settleClaims(sql, coupon, fresh)).decisions.get(ada)).toMatchObject({ status: 'granted' });
  });
});
