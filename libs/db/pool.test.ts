import { afterAll, beforeAll, expect, test } from 'vitest';
import { isTransient } from './error.ts';
import { closePool, type Notice, openPool, type Sql } from './pool.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
let sql: Sql;
const notices: Notice[] = [];
beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  sql = openPool({
    url: database.url,
    applicationName: 'pool test',
    max: 2,
    statementTimeoutMs: 300,
    lockTimeoutMs: 0,
    settings: { work_mem: '5MB' },
    onNotice: notice => notices.push(notice),
  });
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

test('reads int8 as a number, also in arrays, timestamps as dates and json as it is', async () => {
  const [row] = await sql`
    select 9007199254740991::int8 as big, array[1, 2]::int8[] as many, count(*) as counted,
           '2026-01-02T03:04:05.678Z'::timestamptz as at, '{"a": [1]}'::jsonb as json`;
  expect(row).toEqual({
    big: Number.MAX_SAFE_INTEGER,
    many: [1, 2],
    counted: 1,
    at: new Date('2026-01-02T03:04:05.678Z'),
    json: { a: [1] },
  });
});

test('takes numbers, dates, arrays and json as parameters', async () => {
  const [row] = await sql`
    select ${Number.MAX_SAFE_INTEGER}::int8 as big, ${new Date(0)}::timestamptz as at,
           ${['a', 'b,"c']}::text[] as texts, ${sql.json({ a: 1 })}::jsonb as json`;
  expect(row).toEqual({
    big: Number.MAX_SAFE_INTEGER,
    at: new Date(0),
    texts: ['a', 'b,"c'],
    json: { a: 1 },
  });
});

test('sets the limits and settings of its sessions, zero included', async () => {
  const [row] = await sql`
    select current_setting('application_name') as name, current_setting('statement_timeout') as statement,
           current_setting('lock_timeout') as lock, current_setting('work_mem') as memory`;
  expect(row).toEqual({ name: 'pool test', statement: '300ms', lock: '0', memory: '5MB' });
  await expect(sql`select pg_sleep(5)`).rejects.toMatchObject({ code: '57014' });
});

test('what waits for a connection when a pool is closed fails, and what runs is answered', async () => {
  const own = openPool({ url: database.url, applicationName: 'pool test', max: 1 });
  await own`select 1`;
  const asked = [own`select pg_sleep(0.1)`, own`select 2`, own`select 3`].map(query => query.execute());
  await Promise.all([
    closePool(own),
    expect(asked[0]).resolves.toHaveLength(1),
    ...asked.slice(1).map(query => expect(query).rejects.toMatchObject({ code: 'CONNECTION_ENDED' })),
  ]);
});

test('more queries than may wait fail at once, as transient, and no other is harmed', async () => {
  const own = openPool({ url: database.url, applicationName: 'pool test', max: 1, unansweredMost: 3 });
  const asked = await Promise.allSettled(Array.from({ length: 5 }, () => own`select 1`));
  expect(asked.map(({ status }) => status)).toEqual([
    ...Array(3).fill('fulfilled'),
    ...Array(2).fill('rejected'),
  ]);
  expect(asked.filter(one => one.status === 'rejected').every(one => isTransient(one.reason))).toBe(true);
  expect(await own`select 1`).toHaveLength(1);
  await closePool(own);
});

test('hands notices on with their code', async () => {
  await sql`do $$ begin raise notice using message = 'hello', errcode = '25001'; end $$`;
  expect(notices).toContainEqual({ code: '25001', message: 'hello' });
});
