import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, startTestCluster, type TestDatabase } from '@claimline/db/testing';
import { openTransactions, transaction } from '@claimline/db/transaction';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Attempt } from './attempt.ts';
import { listDeadLetters, replayDeadLetters } from './dead-letters.ts';
import { storeLetterFile } from './letter-files.ts';
import { openUsageLog, type UsageLog, type UsageLogOptions } from './usage-log.ts';
import { validationCheck } from './verify.ts';
import { toBatch, writeBatch } from './write-batch.ts';

/** How long the table is locked: 20 to see it as an operator would. */
const LOCKED_SECONDS = Number(process.env.CLAIMLINE_LOCK_SECONDS ?? 2);
const within = { timeout: 60_000, interval: 10 };
/** Starting and killing a Postgres twice, on a machine with other work. */
const timeoutMs = 120_000;

let database: TestDatabase;
let sql: Sql;
let dataDir: string;
let couponId: string;
let errors: string[];
const opened: UsageLog[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  sql = openPool({ url: database.url, applicationName: 'test' });
});
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'claimline-log-'));
  errors = [];
  await sql`truncate validations, validation_counts, validation_writers, validation_dead_letters`;
  await sql`truncate coupons, claims cascade`;
  const [coupon] = await sql<{ id: string }[]>`
    insert into coupons (name, amount) values ('logged', 1) returning id`;
  couponId = coupon?.id as string;
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map(log => log.close()));
  await rm(dataDir, { recursive: true });
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

function open(limits: UsageLogOptions['limits'] = {}, url = database.url) {
  const onError = (error: Error) => errors.push(error.message);
  const log = openUsageLog({ url, dataDir, onError, limits });
  opened.push(log);
  return log;
}

function attemptOf(n: number, changes: Partial<Attempt> = {}): Attempt {
  return {
    ...{ code: `CODE-${n}`, user_id: `user-${n % 7}`, order_id: null, order_value: n },
    ...{ valid: true, reason: null, discount_amount: 0, final_amount: n },
    ...{ coupon_id: couponId, coupon_name: 'logged', address: '192.0.2.7', agent: 'shop/1.0' },
    ...{ response_ms: 0.25, at: Date.now() },
    ...changes,
  };
}

const numbers = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);
const logged = async (on = sql) =>
  (await on<{ order_value: number }[]>`select order_value from validations order by id`).map(
    row => row.order_value,
  );

async function expectCounted() {
  expect(await sql.unsafe(validationCheck.sql, [null])).toEqual([]);
}

test('a full batch is written at once, what is left of it when the log is closed, and each column is as it was', async () => {
  const log = open();
  const whole = attemptOf(0, { order_id: 'order "7" \\ é', agent: null, at: 1_790_000_000_123.5 });
  const refused = { valid: false, reason: 'expired', discount_amount: null, final_amount: null } as const;
  log.record(whole);
  log.record(attemptOf(1, { ...refused, response_ms: 1e12 }));
  for (const n of numbers(98, 2)) log.record(attemptOf(n));
  await expect.poll(() => logged(), within).toEqual(numbers(100));
  for (const n of numbers(40, 100)) log.record(attemptOf(n, { coupon_id: null, coupon_name: null }));
  expect(log.backlog()).toBe(40);
  await log.close();
  expect(log.backlog()).toBe(0);
  expect(await logged()).toEqual(numbers(140));
  const [first, second] = await sql`select * from validations order by id limit 2`;
  expect(first).toEqual({
    ...{
      id: expect.any(Number),
      code: 'CODE-0',
      user_id: 'user-0',
      order_id: 'order "7" \\ é',
      order_value: 0,
    },
    ...{ valid: true, reason: null, discount_amount: 0, final_amount: 0, coupon_id: couponId },
    ...{ coupon_name: 'logged', address: '192.0.2.7', agent: null, response_us: 250 },
    created_at: new Date(1_790_000_000_123),
  });
  expect(second).toMatchObject({ ...refused, response_us: 2_147_483_647 });
  await expectCounted();
  expect(errors).toEqual([]);
});

test('what has come together in the time is written without a full batch', async () => {
  const log = open({ everyMs: 50 });
  log.record(attemptOf(1));
  await expect.poll(() => logged(), within).toEqual([1]);
});

test('a batch that is sent again is there once, also while the first try is still running', async () => {
  const writer = randomUUID();
  const batch = toBatch(
    writer,
    2,
    numbers(50).map(n => attemptOf(n)),
  );
  const written = await Promise.all(numbers(5).map(() => writeBatch(sql, batch)));
  expect(written.sort()).toEqual([0, 0, 0, 0, 50]);
  expect(await writeBatch(sql, toBatch(writer, 1, [attemptOf(99)]))).toBe(0);
  expect(await writeBatch(sql, toBatch(writer, 3, [attemptOf(50)]))).toBe(1);
  expect(await logged()).toEqual(numbers(51));
  await expectCounted();
});

test(
  'with its table locked attempts are taken, and their rows arrive in order afterwards',
  async () => {
    const log = open({ lockMs: 200 });
    let recorded = 0;
    const url = database.url;
    const transactions = openTransactions({ url, applicationName: 'test', idleInTransactionMs: 0 });
    await transaction(transactions, async tx => {
      await tx`lock table validations in access exclusive mode`;
      const untilMs = performance.now() + LOCKED_SECONDS * 1000;
      while (performance.now() < untilMs) {
        for (const n of numbers(50, recorded)) log.record(attemptOf(n));
        recorded += 50;
        await new Promise(resolve => setTimeout(resolve, 10));
      }
      expect(log.backlog()).toBe(recorded);
      expect(errors).toEqual([expect.stringMatching(/lock timeout/)]);
    });
    await transactions.close();
    await expect.poll(() => log.backlog(), within).toBeLessThan(100);
    await log.close();
    expect(await logged()).toEqual(numbers(recorded));
    expect(await listDeadLetters(sql, dataDir)).toEqual([]);
    await expectCounted();
  },
  LOCKED_SECONDS * 1000 + timeoutMs,
);

test('what cannot be stored is put aside alone, and everything else is written', async () => {
  const log = open();
  for (const n of numbers(100)) log.record(attemptOf(n, n === 37 ? { code: 'a\0b' } : {}));
  await log.close();
  expect(await logged()).toEqual(numbers(100).filter(n => n !== 37));
  const [letter, ...others] = await listDeadLetters(sql, dataDir);
  expect([letter?.place, letter?.attempts, others]).toEqual(['table', 1, []]);
  const replayed: unknown[] = [];
  await replayDeadLetters(sql, dataDir, (_, written, failure) => replayed.push([written, failure?.message]));
  expect(replayed).toEqual([[0, expect.stringMatching(/unsupported Unicode/)]]);
  await sql`update validation_dead_letters set rows = replace(rows, '\\u0000', '-')`;
  await replayDeadLetters(sql, dataDir, (_, written) => replayed.push(written));
  expect(replayed.at(-1)).toBe(1);
  expect(await listDeadLetters(sql, dataDir)).toEqual([]);
  expect((await logged()).sort((a, b) => a - b)).toEqual(numbers(100));
  await expectCounted();
});

test(
  'what finds no room or no time while the database is away is in files, and replayed once',
  async () => {
    const cluster = await startTestCluster({ migrated: true });
    const own = openPool({ url: cluster.url, applicationName: 'test' });
    try {
      const log = open({ closeMs: 300, waitingHigh: 150 }, cluster.url);
      const record = (some: number[]) => {
        for (const n of some) log.record(attemptOf(n));
      };
      record(numbers(100));
      await expect.poll(log.backlog, within).toBe(0);
      await cluster.kill();
      record(numbers(300, 100));
      await expect.poll(log.backlog, within).toBe(0);
      await cluster.restart();
      record(numbers(100, 400));
      await expect.poll(log.backlog, within).toBe(0);
      expect(await logged(own)).toEqual([...numbers(100), ...numbers(100, 400)]);
      await cluster.kill();
      record(numbers(20, 500));
      await log.close();
      await cluster.restart();

      const letters = await listDeadLetters(own, dataDir);
      expect(new Set(letters.map(({ place }) => place))).toEqual(new Set(['file']));
      const replay = async () => {
        let sum = 0;
        await replayDeadLetters(own, dataDir, (_, written) => {
          sum += written;
        });
        return sum;
      };
      expect([await replay(), await replay()]).toEqual([320, 0]);
      const all = [...numbers(100), ...numbers(100, 400), ...numbers(300, 100), ...numbers(20, 500)];
      expect(await logged(own)).toEqual(all);
    } finally {
      await closePool(own, 1);
      await cluster.stop();
    }
  },
  timeoutMs,
);

test('a file of a batch that had been written after all adds nothing', async () => {
  const batch = toBatch(
    randomUUID(),
    7,
    numbers(3).map(n => attemptOf(n)),
  );
  await writeBatch(sql, batch);
  await storeLetterFile(dataDir, { ...batch, error: 'no answer', created_at: new Date().toISOString() });
  const replayed: unknown[] = [];
  await replayDeadLetters(sql, dataDir, (_, ...outcome) => replayed.push(outcome));
  expect(replayed).toEqual([[0, undefined]]);
  expect(await logged()).toEqual([0, 1, 2]);
  expect(await listDeadLetters(sql, dataDir)).toEqual([]);
});

test('a file that is no dead letter is listed and stays, and hinders no other', async () => {
  const folder = join(dataDir, 'validation-dead-letters');
  await mkdir(folder);
  await writeFile(join(folder, 'a-1.json'), '{"writer": "a", "num');
  await writeFile(join(folder, 'b-1.json'), '{}');
  const batch = toBatch(randomUUID(), 1, [attemptOf(0), attemptOf(1)]);
  await storeLetterFile(dataDir, { ...batch, error: 'no answer', created_at: new Date().toISOString() });
  const broken = (id: string) => ({
    ...{ id, place: 'file', attempts: 0, error: expect.stringContaining(`${id}.json cannot be read`) },
    createdAt: expect.any(Date),
  });
  const letters = await listDeadLetters(sql, dataDir);
  expect(letters.map(one => one.attempts).sort()).toEqual([0, 0, 2]);
  expect(letters).toEqual(expect.arrayContaining([broken('a-1'), broken('b-1')]));
  const replayed = new Map<string, unknown>();
  await replayDeadLetters(sql, dataDir, ({ id }, written, failure) =>
    replayed.set(id, failure?.message ?? written),
  );
  expect(Object.fromEntries(replayed)).toEqual({
    'a-1': expect.stringContaining('move it elsewhere'),
    'b-1': expect.stringContaining('move it elsewhere'),
    [`${batch.writer}-1`]: 2,
  });
  expect((await listDeadLetters(sql, dataDir)).map(({ id }) => id).sort()).toEqual(['a-1', 'b-1']);
});

test('who is told of a letter and throws is heard, and the letter is not said to stay', async () => {
  const batch = toBatch(randomUUID(), 1, [attemptOf(0)]);
  await storeLetterFile(dataDir, { ...batch, error: 'no answer', created_at: new Date().toISOString() });
  const told: unknown[] = [];
  const replaying = replayDeadLetters(sql, dataDir, (_, ...outcome) => {
    told.push(outcome);
    throw new Error('nobody listens');
  });
  await expect(replaying).rejects.toThrow('nobody listens');
  expect(told).toEqual([[1, undefined]]);
});

test('without room what cannot be written is put aside, and without a place for it dropped, which is said', async () => {
  const away = 'postgres://nobody@127.0.0.1:1/nothing';
  const log = open({ waitingHigh: 300, waitingMost: 500, letterMost: 200, closeMs: 100 }, away);
  for (const n of numbers(600)) log.record(attemptOf(n));
  expect(log.backlog()).toBe(500);
  expect(errors).toEqual([expect.stringMatching(/full/)]);
  await log.close();
  expect((await listDeadLetters(sql, dataDir)).reduce((sum, one) => sum + one.attempts, 0)).toBe(500);

  const blocked = openUsageLog({
    ...{ url: away, dataDir: '/dev/null/nowhere', limits: { closeMs: 100 } },
    onError: error => errors.push(error.message),
  });
  for (const n of numbers(10)) blocked.record(attemptOf(n));
  await blocked.close();
  expect(blocked.backlog()).toBe(0);
  expect(errors.at(-1)).toMatch(/full|not on record/);
});
