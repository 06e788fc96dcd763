import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startProcess } from '../testing.ts';
import { verify } from '../verify.ts';
import { assertSizes, planBites } from './seed/plan.ts';
import { seedDatabase } from './seed.ts';

const sizes = { users: 3000, coupons: 80, codes: 8003, seed: 1 };
const databases: TestDatabase[] = [];
const pools: Sql[] = [];

async function open() {
  const database = await createTestDatabase();
  const sql = openPool({ url: database.url, applicationName: 'test' });
  databases.push(database);
  pools.push(sql);
  return { url: database.url, sql };
}

const seed = ({ url: databaseUrl, sql }: Awaited<ReturnType<typeof open>>, changes = {}, isBeside = false) =>
  seedDatabase({ databaseUrl, sql }, { ...sizes, ...changes }, isBeside);

let first: Awaited<ReturnType<typeof open>>;
beforeAll(async () => {
  first = await open();
  const args = Object.entries(sizes).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const cli = startProcess('cli', { DATABASE_URL: first.url }, { args: ['seed', ...args] });
  cli.ready.catch(() => {});
  expect(await cli.exited).toEqual({ code: 0, signal: null });
  expect(cli.stdout()).toMatch(/^80 coupons with 8003 codes among 3000 people/);
});
afterAll(async () => {
  await Promise.all(pools.map(sql => closePool(sql, 1)));
  await Promise.all(databases.map(database => database.drop()));
});

/** Everything that is drawn, as one digest a table. */
const digest = (sql: Sql) => sql`
  select
    (select md5(string_agg((name, id, public, status, starts_at, ends_at, amount, remaining_amount, per_user_limit,
      max_redemptions_per_code, discount, granted_count, book_position)::text, '' order by name)) from coupons) as coupons,
    (select md5(string_agg((code, coupon_name, random_key)::text, '' order by code)) from codes) as codes,
    (select md5(string_agg((user_id, coupon_name, sequence)::text, '' order by coupon_name, sequence)) from claims) as claims,
    (select md5(string_agg((code, user_id, status, redeemed_at)::text, '' order by code)) from assignments) as assignments`;

test('half of the codes are public, the states are those of a real shop, and every invariant holds', async () => {
  const { sql, url } = first;
  const [codes] = await sql`
    select count(*)::int as all, count(*) filter (where public)::int as public,
      count(assignments.code)::int as personal, count(*) filter (where assignments.status = 'redeemed')::int as redeemed
    from codes join coupons on name = coupon_name left join assignments on assignments.code = codes.code`;
  expect(codes).toMatchObject({ all: 8003, public: 4002, personal: 4001 });
  expect(Math.abs(codes?.redeemed - 400)).toBeLessThan(100);
  const states = await sql`
    select public, case when status <> 'active' then 'inactive' when ends_at < now() then 'expired' else 'active' end as state,
      count(*)::int as n
    from coupons group by 1, 2 order by 1, 2`;
  expect(states.map(row => [row.public, row.state, row.n])).toEqual([
    ...[
      [false, 'active', 24],
      [false, 'expired', 10],
      [false, 'inactive', 6],
    ],
    ...[
      [true, 'active', 24],
      [true, 'expired', 10],
      [true, 'inactive', 6],
    ],
  ]);
  const report = await verify({ databaseUrl: url, stores: null });
  expect(report.invariants.filter(one => one.violations > 0 || one.notes > 0)).toEqual([]);
});

test('the same seed gives the same data, also when it broke off, and another seed gives others', async () => {
  const again = await open();
  const { sql } = again;
  await seed(again);
  // What a crash leaves: whole bites.
  expect(planBites(sizes).map(bite => bite[0]?.name)).toEqual(['seed-1-000000', 'seed-1-000049']);
  await sql`delete from claims where coupon_name >= 'seed-1-000049'`;
  await sql`delete from redemptions where coupon_name >= 'seed-1-000049'`;
  await sql`delete from code_audit where claim_id not in (select id from claims)`;
  await sql`delete from coupons where name >= 'seed-1-000049'`;
  expect(await digest(sql)).not.toEqual(await digest(first.sql));
  await seed(again);
  expect(await digest(sql)).toEqual(await digest(first.sql));
  const other = await open();
  await seed(other, { seed: 2 });
  expect((await digest(other.sql))[0]?.assignments).not.toEqual((await digest(first.sql))[0]?.assignments);
});

test('refuses other data unless told, other sizes, and what is there in part', async () => {
  const own = await open();
  const small = { coupons: 8, codes: 80 };
  await own.sql`insert into coupons (name, amount) values ('mine', 1)`;
  await expect(seed(own, small)).rejects.toThrow('coupon "mine"');
  await seed(own, small, true);
  await expect(seed(own, { ...small, codes: 81 }, true)).rejects.toThrow('other sizes');
  await own.sql`delete from coupons where name = 'seed-1-000001'`;
  await expect(seed(own, small, true)).rejects.toThrow('only 7 are left');
});

test.each([
  [{ users: 0 }, '--users must be'],
  [{ codes: 1.5 }, '--codes must be'],
  [{ seed: Number.NaN }, '--seed must be'],
  [{ codes: 79 }, '--codes must be at least --coupons'],
  [{ users: 100 }, '--users must be at least the codes of a coupon'],
])('%j is refused with what is wrong', (changes, said) => {
  expect(() => assertSizes({ ...sizes, ...changes })).toThrow(said);
});
