import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { blocksOf, type Explained, nodesOf, type PlanNode, wholeReads } from '@claimline/db/testing-plan';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { judge, validateSettings } from './validate.ts';

const stored = 50_000;
const batchSize = 200;
/** Four indexes, three or four blocks each, and what they point at; a look through one table would be thousands. */
const blocksMost = 40;

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = openPool({ url: database.url, applicationName: 'test', max: 1, settings: validateSettings });
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

/** Personal and public codes in turns, some of them used for an order. */
async function fill(): Promise<void> {
  // Without triggers, whose checks would be most of the time.
  const settings = { session_replication_role: 'replica', statement_timeout: '60000' };
  const filling = openPool({ url: database.url, applicationName: 'test', max: 1, settings });
  await filling`
    insert into coupons (name, amount, remaining_amount, has_book, public)
    select 'coupon ' || n, 1, 1, true, n % 2 = 0 from generate_series(1, 1000) n`;
  await filling`
    insert into codes (code, coupon_name, random_key)
    select 'CODE-' || n, 'coupon ' || (1 + n % 1000), n from generate_series(1, ${stored}::int) n`;
  await filling`
    insert into assignments (claim_id, code, coupon_id, user_id)
    select n, 'CODE-' || n, id, 'user ' || n
    from generate_series(1, ${stored}::int) n join coupons on name = 'coupon ' || (1 + n % 1000) where not public`;
  await filling`
    insert into redemptions (code, coupon_name, coupon_id, user_id, order_id, ordinal)
    select 'CODE-' || n, name, id, 'user ' || n, 'order ' || n, 1
    from generate_series(1, ${stored}::int) n join coupons on name = 'coupon ' || (1 + n % 1000) where public`;
  await closePool(filling, 1);
}

/** The prepared statement of this session, explained as it runs for codes all over the table. */
async function explain(): Promise<PlanNode[]> {
  const [prepared] = await sql<{ name: string }[]>`
    select name from pg_prepared_statements where statement like '-- Validates codes:%'`;
  const asked = Array.from({ length: batchSize }, (_, n) => 1 + ((n * 7919) % stored));
  const texts = (prefix: string) => `array[${asked.map(n => `'${prefix}${n}'`).join(',')}]::text[]`;
  const args = [
    texts('CODE-'),
    texts('user '),
    `array_fill(1000::bigint, array[${batchSize}])`,
    texts('order '),
  ];
  const [row] = await sql.unsafe<Explained[]>(
    `explain (format json, analyze, buffers, timing off) execute "${prepared?.name}"
      (${args.join(', ')}, array_fill(null::text, array[${batchSize}]))`,
  );
  return nodesOf(row);
}

test('a validation costs index lookups, however many codes there are', { timeout: 90_000 }, async () => {
  // A session of a process that lives long: it prepared the statement while the tables were empty.
  const one = { code: 'NONE', userId: 'ann', orderValue: 1, orderId: 'o', session: null };
  for (let n = 0; n < 10; n++) await judge(sql, [one]);
  await fill();
  const tables = ['codes', 'coupons', 'assignments', 'redemptions'];
  for (const statistics of ['old', 'new']) {
    if (statistics === 'new') await sql`vacuum analyze codes, coupons, assignments, redemptions`;
    const nodes = await explain();
    expect(wholeReads(nodes, tables)).toEqual([]);
    expect(new Set(nodes.flatMap(node => node['Relation Name'] ?? []))).toEqual(new Set(tables));
    expect(blocksOf(nodes) / batchSize).toBeLessThan(blocksMost);
  }
});
