import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTransient, isUniqueViolation } from './error.ts';
import { closePool, openPool, type Sql } from './pool.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  );

describe('isTransient', () => {
  test.each([
    ['a code of the driver', 'CONNECTION_CLOSED', true],
    ['a refused connection', 'ECONNREFUSED', true],
    ['a class: connection exception', '08006', true],
    ['a class: out of resources', '53300', true],
    ['an administrator ended the session', '57P01', true],
    ['serialization', '40001', true],
    ['a unique violation', '23505', false],
    ['a syntax error', '42601', false],
    ['a code of another kind that begins alike', '53', false],
    ['no code', undefined, false],
  ])('%s (%s): %s', (_, code, expected) => {
    expect(isTransient(Object.assign(new Error('x'), { code }))).toBe(expected);
  });

  test('anything may be thrown', () => {
    for (const thrown of [undefined, null, 'text', 42, {}]) expect(isTransient(thrown)).toBe(false);
  });

  test('knows what the driver throws where nothing listens', async () => {
    const sql = openPool({
      url: 'postgres://x@127.0.0.1:1/x',
      applicationName: 'test',
      connectTimeoutSeconds: 1,
    });
    expect(isTransient(await failure(sql`select 1`))).toBe(true);
    await closePool(sql, 0);
    expect(isTransient(await failure(sql`select 1`))).toBe(true);
  });
});

describe('on a server', () => {
  let database: TestDatabase;
  let sql: Sql;
  beforeAll(async () => {
    database = await createTestDatabase({ empty: true });
    sql = openPool({ url: database.url, applicationName: 'test', max: 2 });
    await sql`create table t (a int primary key, b int constraint b_once unique)`;
    await sql`insert into t values (1, 1)`;
  });
  afterAll(async () => {
    await closePool(sql, 1);
    await database.drop();
  });

  test('isUniqueViolation tells constraints apart', async () => {
    const error = await failure(sql`insert into t values (2, 1)`);
    expect([
      isUniqueViolation(error),
      isUniqueViolation(error, 'b_once'),
      isUniqueViolation(error, 't_pkey'),
    ]).toEqual([true, true, false]);
    expect(isTransient(error)).toBe(false);
  });

  test('a session that is ended under a query is transient', async () => {
    const [me] = await sql`select pg_backend_pid() as pid`;
    const [, error] = await Promise.all([
      sql`select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(9)%' and pid = ${me?.pid ?? 0}`,
      failure(sql`select pg_terminate_backend(pg_backend_pid()), pg_sleep(9)`),
    ]);
    expect(isTransient(error)).toBe(true);
  });
});
