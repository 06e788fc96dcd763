import { closePool, type Sql } from '@claimline/db/pool';
import { blocksOf, type Explained, nodesOf, type PlanNode, wholeReads } from '@claimline/db/testing-plan';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  claimsOf,
  insertCoupon,
  openSettleDatabase,
  people,
  type SettledCoupon,
  settleUsers,
} from './testing-settle.ts';

const stored = { few: 1000, many: 200_000 };
const batchSize = 200;
const growthMost = 3;
/** Blocks that a claim with a code may touch; a sixth of a look at each of 200 codes. */
const blocksMost = 60;

let database: Awaited<ReturnType<typeof openSettleDatabase>>;
let coupon: SettledCoupon;
beforeAll(async () => {
  database = await openSettleDatabase();
  coupon = await insertCoupon(database.sql, { amount: 2_000_000_000 });
});
afterAll(() => database.close());

const settled = ['claims', 'refusals'];

/** Fills claims and refusals of the coupon, as if settled before, up to `count` rows each. */
async function storeUpTo(count: number): Promise<void> {
  // Without triggers and foreign keys, whose checks are nine tenths of the time.
  const sql = database.open(1, { session_replication_role: 'replica', statement_timeout: '60000' });
  await sql`
    insert into claims (user_id, coupon_name, sequence, ticket)
    select 'stored ' || n, ${coupon.name}, granted_count + row_number() over (order by n), 'tkt_stored_' || n
    from coupons, generate_series((select count(*) + 1 from claims), ${count}::int) n
    where coupons.id = ${coupon.id}`;
  await sql`
    update coupons set granted_count = (select max(sequence) from claims), revision = revision + 1
    where id = ${coupon.id}`;
  await sql`
    insert into refusals (ticket, coupon_id, coupon_name, user_id, reason)
    select 'tkt_refused_' || n, ${coupon.id}, ${coupon.name}, 'stored ' || n, 'sold_out'
    from generate_series((select count(*) + 1 from refusals), ${count}::int) n`;
  await closePool(sql, 1);
}

/** The prepared settle statement of this connection, explained for a batch of new claims. */
async function explain(sql: Sql, isRun: boolean, of = coupon): Promise<PlanNode[]> {
  const [prepared] = await sql<{ name: string; parameters: number }[]>`
    select name, cardinality(parameter_types) as parameters from pg_prepared_statements
    where statement like '-- Settle:%' order by parameters desc`;
  const claims = claimsOf(people(batchSize, `explained ${Math.random()}`));
  const texts = (values: string[]) => `array[${values.map(value => `'${value}'`).join(',')}]::text[]`;
  const args = [
    `'${of.id}'::uuid`,
    texts(claims.map(([ticket]) => ticket)),
    texts(claims.map(([, userId]) => userId)),
    `array_fill(null::text, array[${claims.length}])`,
    `'${of.name}'`,
    ...Array((prepared?.parameters ?? 5) - 5).fill('null'),
  ];
  const options = isRun ? 'format json, analyze, buffers, timing off' : 'format json';
  const [row] = await sql.unsafe<Explained[]>(
    `explain (${options}) execute "${prepared?.name}" (${args.join(', ')})`,
  );
  return nodesOf(row);
}

test('a book is neither scanned nor sorted, however large it is', { timeout: 90_000 }, async () => {
  const book = await insertCoupon(database.sql, {});
  const filling = database.open(1, { statement_timeout: '60000' });
  const add = (from: number, to: number) => filling`
    insert into codes (code, coupon_name, random_key)
    select 'PLAN' || n, ${book.name}, draw_random_key(book_position)
    from coupons, generate_series(${from}::int, ${to}::int) n where name = ${book.name}`;
  await add(1, 100);
  const sql = database.open(1, { plan_cache_mode: 'force_generic_plan' });
  try {
    for (let n = 0; n < 10; n++) await settleUsers(sql, book, [`first ${n}`]);
    await add(101, 100_000);
    for (const statistics of ['old', 'new']) {
      if (statistics === 'new') await database.sql`vacuum analyze codes, assignments`;
      const nodes = await explain(sql, true, book);
      const reads = nodes.filter(node => ['codes', 'assignments'].includes(node['Relation Name'] ?? ''));
      expect(reads.filter(node => node['Index Cond']).length).toBeGreaterThan(1);
      expect(wholeReads(nodes, ['codes', 'assignments'])).toEqual([]);
      expect(blocksOf(nodes) / batchSize).toBeLessThan(blocksMost);
    }
  } finally {
    await Promise.all([closePool(sql, 1), closePool(filling, 1)]);
  }
});

test('a claim costs index lookups, however much was settled before', { timeout: 90_000 }, async () => {
  // Sessions of workers that live long: they prepared the statement while the tables were empty.
  const sessions = ['force_generic_plan', 'auto'].map(mode => database.open(1, { plan_cache_mode: mode }));
  try {
    for (const [i, sql] of sessions.entries())
      for (let n = 0; n < 10; n++) await settleUsers(sql, coupon, [`first ${i} ${n}`]);
    await storeUpTo(stored.few);
    const few: number[] = [];
    for (const sql of sessions) {
      expect(wholeReads(await explain(sql, false), settled)).toEqual([]);
      few.push(blocksOf(await explain(sql, true)));
    }
    await storeUpTo(stored.many);
    // As they were, and once the planner knows how large the tables are.
    for (const statistics of ['old', 'new']) {
      if (statistics === 'new') await database.sql`analyze claims, refusals, coupons`;
      for (const [i, sql] of sessions.entries()) {
        expect(wholeReads(await explain(sql, false), settled)).toEqual([]);
        expect(blocksOf(await explain(sql, true)) / (few[i] ?? 0)).toBeLessThan(growthMost);
      }
    }
  } finally {
    await Promise.all(sessions.map(sql => closePool(sql, 1)));
  }
});
