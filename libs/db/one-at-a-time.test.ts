import { afterAll, beforeAll, expect, test } from 'vitest';
import { oneAtATime, whenDue } from './one-at-a-time.ts';
import { closePool, openPool, type Sql } from './pool.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = openPool({ url: database.url, applicationName: 'test one at a time' });
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

test('of several at once one runs; another name is no hindrance, and afterwards the next may', async () => {
  let end = () => {};
  const ended = new Promise<void>(resolve => {
    end = resolve;
  });
  let started = () => {};
  const first = new Promise<void>(resolve => {
    started = resolve;
  });
  const running = oneAtATime(database.url, 'work', async () => {
    started();
    await ended;
    return 'done';
  });
  await first;
  expect(await oneAtATime(database.url, 'work', async () => 'again')).toBeUndefined();
  expect(await oneAtATime(database.url, 'other work', async () => 'other')).toBe('other');
  end();
  expect(await running).toBe('done');
  expect(await oneAtATime(database.url, 'work', async () => 'next')).toBe('next');
});

test('what throws, or dies, frees the name', async () => {
  await expect(
    oneAtATime(database.url, 'work', async () => {
      throw new Error('by surprise');
    }),
  ).rejects.toThrow('by surprise');
  const cut = oneAtATime(database.url, 'work', async () => {
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'claimline work' and datname = current_database()`;
  });
  await cut;
  await expect.poll(() => oneAtATime(database.url, 'work', async () => 'next')).toBe('next');
});

test('of all who ask in a time one does it', async () => {
  let done = 0;
  const ask = (name = 'job') => whenDue(sql, name, { everyMs: 300 }, async () => ++done);
  const askAll = () => Promise.all(Array.from({ length: 8 }, () => ask()));
  expect((await askAll()).filter(Boolean)).toEqual([1]);
  expect((await askAll()).filter(Boolean)).toEqual([]);
  expect(await ask('other job')).toBe(2);
  await expect.poll(async () => (await askAll()).filter(Boolean)).toEqual([3]);
});

test('what takes long is done less often where that is asked for, also when it failed', async () => {
  const every = { everyMs: 10, pauseTimes: 20 };
  const longMs = 100;
  const startedMs = performance.now();
  const failed = whenDue(sql, 'long', every, async () => {
    await sql`select pg_sleep(${longMs / 1000})`;
    throw new Error('by surprise');
  });
  await expect(failed).rejects.toThrow('by surprise');
  await expect
    .poll(() => whenDue(sql, 'long', every, async () => 'again'), { timeout: 10_000 })
    .toBe('again');
  expect(performance.now() - startedMs).toBeGreaterThan(longMs * every.pauseTimes);
});
