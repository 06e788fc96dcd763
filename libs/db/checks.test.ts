import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Check, runChecks } from './checks.ts';
import { isTransient } from './error.ts';
import { closePool, openPool, type Sql } from './pool.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
let sql: Sql;
beforeEach(async () => {
  database = await createTestDatabase();
  sql = openPool({ url: database.url, applicationName: 'test checks' });
});
afterEach(async () => {
  await closePool(sql, 1);
  await database.drop();
});

/** Finds every installation row whose value is odd; those that begin with a dash are only noted. */
const oddKeys: Check = {
  invariants: { even: 'values are even', calm: 'nothing is ever found here' },
  sql: `select 'even', value like '-%', jsonb_build_object('key', key) from installation
    where value::int % 2 <> 0 and ($1::text is null or key = $1)`,
};

test('a verdict for every invariant: violations and notes apart, counted, and shown up to a limit', async () => {
  await sql`insert into installation select n, case when n < 10 then -n else n end from generate_series(1, 100) n`;
  const [even, calm] = await runChecks(database.url, [oddKeys]);
  expect(even).toMatchObject({ name: 'even', title: 'values are even', violations: 45, notes: 5 });
  expect(even?.rows).toHaveLength(20);
  expect(even?.noteRows).toHaveLength(5);
  expect(calm).toEqual({
    ...{ name: 'calm', title: 'nothing is ever found here' },
    ...{ violations: 0, notes: 0, rows: [], noteRows: [] },
  });
  const [all] = await runChecks(database.url, [oddKeys], { rowsMost: 100 });
  expect(all?.rows).toHaveLength(45);
  const [only] = await runChecks(database.url, [oddKeys], { coupon: '51' });
  expect(only).toMatchObject({ violations: 1, notes: 0, rows: [{ key: '51' }] });
});

test('each check of a run has a snapshot of its own, and none can write', async () => {
  const slow: Check = {
    invariants: oddKeys.invariants,
    sql: `select 'even', false, '{}'::jsonb from pg_sleep(0.3), installation where value = '1' and $1::text is null`,
  };
  const running = runChecks(database.url, [slow, oddKeys]);
  const sleeping = () => sql`
    select from pg_stat_activity
    where query like '%pg_sleep(0.3)%' and wait_event = 'PgSleep' and datname = current_database()`;
  await expect.poll(async () => (await sleeping()).length).toBe(1);
  await sql`insert into installation values ('late', '1')`;
  expect((await running).map(one => one.violations)).toEqual([0, 0, 1, 0]);
  expect((await runChecks(database.url, [slow, oddKeys])).map(one => one.violations)).toEqual([1, 0, 1, 0]);
  const writing: Check = {
    ...oddKeys,
    sql: `select 'even', false, to_jsonb(nextval('claims_id_seq')) where $1::text is null`,
  };
  await expect(runChecks(database.url, [writing])).rejects.toThrow('read-only');
});

test('a database that is away is told from a violation', async () => {
  const away = new URL(database.url);
  away.port = '1';
  const error = await runChecks(away.href, [oddKeys]).catch((reason: unknown) => reason);
  expect(isTransient(error)).toBe(true);
});
