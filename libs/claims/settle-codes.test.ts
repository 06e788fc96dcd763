import { closePool, type Sql } from '@claimline/db/pool';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  claimsOf,
  inBrief,
  insertCoupon,
  openSettleDatabase,
  people,
  readCouponRow,
  type SettledCoupon,
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

let books = 0;

/** A coupon with a book of so many codes, inserted as somebody at psql would. */
async function openBook(count: number, values: { per_user_limit?: number } = {}) {
  const coupon = await insertCoupon(sql, { amount: 7, ...values });
  const prefix = `BOOK${++books}`;
  await addCodes(coupon, prefix, count);
  return { coupon, prefix };
}

async function addCodes({ name }: SettledCoupon, prefix: string, count: number) {
  await sql`
    insert into codes (code, coupon_name) select ${prefix} || '-' || n, ${name} from generate_series(1, ${count}::int) n`;
}

/** The codes that were given out, in the order of the claims, with who has each. */
async function givenOut({ name }: SettledCoupon) {
  return sql<{ code: string; user_id: string }[]>`
    select code, assignments.user_id from claims join assignments on claim_id = claims.id
    where coupon_name = ${name} and assignments.user_id = claims.user_id order by sequence`;
}

const stockOf = async ({ name }: SettledCoupon) => {
  const row = await readCouponRow(sql, name);
  return { amount: row?.amount, remaining: row?.remaining_amount };
};

describe('a coupon with a book', () => {
  test('has as many units as codes: the first replace its amount, later ones add to it', async () => {
    const { coupon } = await openBook(5);
    expect(await stockOf(coupon)).toEqual({ amount: 5, remaining: 5 });
    expect((await settleUsers(sql, coupon, people(6))).map(inBrief)).toEqual([
      ...Array(5).fill('granted'),
      'sold_out',
    ]);
    expect(await stockOf(coupon)).toEqual({ amount: 5, remaining: 0 });
    await addCodes(coupon, 'LATER', 3);
    expect(await stockOf(coupon)).toEqual({ amount: 8, remaining: 3 });
    expect((await settleUsers(sql, coupon, people(4, 'late'))).map(inBrief)).toEqual([
      ...Array(3).fill('granted'),
      'sold_out',
    ]);
    const given = await givenOut(coupon);
    expect(new Set(given.map(row => row.code)).size).toBe(8);
  });

  test('gives each claim a code of its own, and says so without naming it', async () => {
    const { coupon } = await openBook(100);
    const claims = claimsOf(people(100));
    const news = await settleClaims(sql, coupon, claims);
    const decisions = claims.map(([ticket]) => news.decisions.get(ticket));
    expect(decisions.every(decision => decision?.status === 'granted' && decision.hasCode)).toBe(true);
    const given = await givenOut(coupon);
    expect(given.map(row => row.user_id)).toEqual(people(100));
    expect(JSON.stringify([...news.decisions])).not.toMatch(/BOOK/);
    const audit = await sql`
      select action, actor, status_before, status_after, count(*)::int as n from code_audit
      where code = any(${given.map(row => row.code)}) group by 1, 2, 3, 4`;
    expect([...audit]).toEqual([
      { action: 'assign', actor: 'claim', status_before: 'available', status_after: 'assigned', n: 100 },
    ]);
  });

  test('a job that runs twice gives out nothing more', async () => {
    const { coupon } = await openBook(10);
    const claims = claimsOf(people(4));
    await settleClaims(sql, coupon, claims);
    const first = await givenOut(coupon);
    const again = await settleClaims(sql, coupon, claims);
    expect([...again.decisions.values()].map(inBrief)).toEqual(Array(4).fill('granted'));
    expect(await givenOut(coupon)).toEqual(first);
    expect(await stockOf(coupon)).toEqual({ amount: 10, remaining: 6 });
  });

  test('8 settles at once, with codes added meanwhile: no code twice, none lost', async () => {
    const { coupon } = await openBook(60);
    const pools = Array.from({ length: 8 }, () => database.open(1));
    await Promise.all([
      ...pools.map(async (pool, i) => {
        for (let run = 0; run < 5; run++) await settleUsers(pool, coupon, people(4, `${i} ${run}`));
      }),
      addCodes(coupon, 'MEANWHILE', 50),
    ]);
    await Promise.all(pools.map(pool => closePool(pool, 1)));
    await settleUsers(sql, coupon, people(110, 'rest'));
    const given = await givenOut(coupon);
    expect(new Set(given.map(row => row.code)).size).toBe(110);
    expect(await stockOf(coupon)).toEqual({ amount: 110, remaining: 0 });
  });

  test('deleted by hand, codes leave the stock, and one that is taken from somebody comes back', async () => {
    const { coupon, prefix } = await openBook(6);
    await settleUsers(sql, coupon, people(2));
    const [taken] = await givenOut(coupon);
    await sql`delete from codes where coupon_name = ${coupon.name} and code = ${taken?.code ?? ''}`;
    expect(await stockOf(coupon)).toEqual({ amount: 5, remaining: 4 });
    await sql`delete from assignments where coupon_id = ${coupon.id}`;
    expect(await stockOf(coupon)).toEqual({ amount: 5, remaining: 5 });
    expect((await settleUsers(sql, coupon, people(6, 'new'))).map(inBrief)).toEqual([
      ...Array(5).fill('granted'),
      'sold_out',
    ]);
    const given = await sql`select code from assignments where coupon_id = ${coupon.id}`;
    expect(given.every(row => row.code.startsWith(prefix))).toBe(true);
  });

  test('a coupon that goes takes its codes and their owners with it', async () => {
    const { coupon } = await openBook(3);
    await settleUsers(sql, coupon, people(2));
    await sql`delete from coupons where name = ${coupon.name}`;
    expect(await sql`select from codes where coupon_name = ${coupon.name}`).toHaveLength(0);
    expect(await sql`select from assignments where coupon_id = ${coupon.id}`).toHaveLength(0);
  });

  test('keys that are equal lose no code', async () => {
    const { coupon } = await openBook(9);
    await sql`update codes set random_key = 1 where coupon_name = ${coupon.name}`;
    for (const user of people(9)) await settleUsers(sql, coupon, [user]);
    expect(new Set((await givenOut(coupon)).map(row => row.code)).size).toBe(9);
  });
});

describe('the order in which codes leave a book', () => {
  // Limits are six standard deviations: chance alone breaks one in some hundred million runs.
  test('does not depend on the order in which they came', async () => {
    const trials = 300;
    let low = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { coupon } = await openBook(4);
      await settleUsers(sql, coupon, ['a']);
      const [first] = await givenOut(coupon);
      if (/-[12]$/.test(first?.code ?? '')) low++;
    }
    expect(Math.abs(low - trials / 2)).toBeLessThan(6 * Math.sqrt(trials / 4));
  });

  test('nor on when they were added: all that are left are equally likely', async () => {
    const trials = 300;
    let old = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { coupon, prefix } = await openBook(4);
      await settleUsers(sql, coupon, ['a', 'b']);
      await addCodes(coupon, `${prefix}-NEW`, 4);
      await settleUsers(sql, coupon, ['c']);
      const given = await givenOut(coupon);
      if (!given.at(-1)?.code.includes('NEW')) old++;
    }
    // 2 old ones of 6.
    expect(Math.abs(old - trials / 3)).toBeLessThan(6 * Math.sqrt((trials * 2) / 9));
  });
});
