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

/** Far longer than a test takes. */
const everyMs = 60_000;

/** Moves the time of what was done last back, as if so much had passed since. */
const passMs = (name: string, ms: number) => sql`
  update installation set value = (value::timestamptz - ${ms} * interval '1 ms')::text where key = ${`done ${name}`}`;

test('of all who ask in a time one does it', async () => {
  let done = 0;
  const ask = (name = 'job') => whenDue(sql, name, { everyMs }, async () => ++done);
  const askAll = () => Promise.all(Array.from({ length: 8 }, () => ask()));
  expect((await askAll()).filter(Boolean)).toEqual([1]);
  expect((await askAll()).filter(Boolean)).toEqual([]);
  expect(await ask('other job')).toBe(2);
  await passMs('job', everyMs);
  expect((await askAll()).filter(Boolean)).toEqual([3]);
});

test('what takes long is done less often where that is asked for, also when it failed', async () => {
  const longMs = 100;
  const every = { everyMs, pauseTimes: (10 * everyMs) / longMs };
  const failed = whenDue(sql, 'long', every, async () => {
    await sql`select pg_sleep(${longMs / 1000})`;
    throw new Error('by surprise');
  });
  await expect(failed).rejects.toThrow('by surprise');
  const ask = () => whenDue(sql, 'long', every, async () => 'again');
  await passMs('long', 8 * everyMs);
  expect(await ask()).toBeUndefined();
  // However long it took on this machine.
  await passMs('long', 1e9);
  expect(await ask()).toBe('again');
});
