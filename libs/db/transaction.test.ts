import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { isTransient } from './error.ts';
import { closePool, openPool, type Sql } from './pool.ts';
import { createTestDatabase, startTestCluster, type TestDatabase } from './testing.ts';
import { openTransactions, type Transactions, transaction } from './transaction.ts';

let database: TestDatabase;
let sql: Sql;
let transactions: Transactions;
const notices: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase({ empty: true });
  const onNotice = ({ code }: { code: string }) => notices.push(code);
  sql = openPool({ url: database.url, applicationName: 'test', max: 4, onNotice });
  transactions = openTransactions({ url: database.url, applicationName: 'test', onNotice });
  await sql`create table numbers (n integer primary key)`;
});
beforeEach(() => sql`truncate numbers`);
afterAll(async () => {
  await transactions.close();
  await closePool(sql, 1);
  await database.drop();
});

const stored = async () => (await sql`select n from numbers order by n`).map(row => row.n as number);
const caughtFrom = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

test('commits what the function did, and returns its answer', async () => {
  const answer = await transaction(transactions, async tx => {
    await tx`insert into numbers values (1)`;
    await Promise.all([2, 3].map(n => tx`insert into numbers values (${n})`));
    return 'done';
  });
  expect(answer).toBe('done');
  expect(await stored()).toEqual([1, 2, 3]);
});

test('takes a URL for a single transaction', async () => {
  await transaction(database.url, tx => tx`insert into numbers values (1)`);
  expect(await stored()).toEqual([1]);
});

test('rolls everything back when the function throws, and throws its error on', async () => {
  const mine = new Error('mine');
  const work = transaction(transactions, async tx => {
    await tx`insert into numbers values (1)`;
    throw mine;
  });
  expect(await caughtFrom(work)).toBe(mine);
  expect(await stored()).toEqual([]);
});

test('a failed query whose error was swallowed fails the transaction', async () => {
  const work = transaction(transactions, async tx => {
    await tx`insert into numbers values (1)`;
    await tx`insert into numbers values (1)`.catch(() => {});
  });
  await expect(work).rejects.toThrow('rolled back');
  expect(await stored()).toEqual([]);
});

test('refuses a query through a transaction that is over', async () => {
  const kept = await transaction(transactions, async tx => ({ tx }));
  expect(() => kept.tx`insert into numbers values (1)`).toThrow('over');
});

// With the driver's own begin() on the pool, the same burst loses 10 to 30 of 33,000 acknowledged
// rows, stores none of them and raises a few notices 25001.
test('acknowledged is stored under a mixed burst of statements and transactions', async () => {
  const acknowledged = new Set<number>();
  let next = 0;
  const note = (n: number, work: Promise<unknown>) => work.then(() => acknowledged.add(n));
  for (let round = 0; round < 20; round++) {
    const work: Promise<unknown>[] = [];
    const plain = (count: number) => {
      for (const n of Array.from({ length: count }, () => next++))
        work.push(note(n, sql`insert into numbers values (${n})`));
    };
    plain(400 + round);
    for (let i = 0; i < 20; i++) {
      const n = next++;
      const fails = i % 2 === 1;
      const one = transaction(transactions, async tx => {
        await tx`insert into numbers values (${n})`;
        if (fails) throw new Error('no');
      });
      work.push(fails ? one.catch(() => {}) : note(n, one));
      plain(20);
    }
    await Promise.all(work);
  }
  expect(await stored()).toEqual([...acknowledged].sort((a, b) => a - b));
  expect(acknowledged.size).toBe(next - 200);
  expect(notices).not.toContain('25001');
});

test('nothing of a transaction remains when its connection is lost, whatever it does afterwards', async () => {
  let afterwards: Promise<unknown> = Promise.resolve();
  const work = transaction(transactions, tx => {
    afterwards = caughtFrom(goOn(tx));
    return afterwards;
  });
  async function goOn(tx: Sql) {
    await tx`insert into numbers values (1)`;
    const [me] = await tx`select pg_backend_pid() as pid`;
    await sql`select pg_terminate_backend(${me?.pid ?? 0})`;
    await expect.poll(() => sql`select 1 from pg_stat_activity where pid = ${me?.pid ?? 0}`).toEqual([]);
    await tx`insert into numbers values (2)`;
  }
  expect(isTransient(await caughtFrom(work))).toBe(true);
  expect(await afterwards).toBeInstanceOf(Error);
  await transaction(transactions, tx => tx`insert into numbers values (4)`);
  expect(await stored()).toEqual([4]);
});

test('survives an outage: fails at once while Postgres is away, works when it is back', async () => {
  const cluster = await startTestCluster();
  const own = openTransactions({
    url: cluster.url,
    applicationName: 'test',
    max: 2,
    connectTimeoutSeconds: 1,
  });
  const once = () => transaction(own, tx => tx`select 1 as one`);
  await once();
  await cluster.kill();
  const errors = await Promise.all(Array.from({ length: 10 }, () => caughtFrom(once())));
  expect(errors.filter(isTransient)).toHaveLength(10);
  await cluster.restart();
  const answers = await Promise.all(Array.from({ length: 10 }, once));
  expect(answers.flat()).toHaveLength(10);
  await own.close();
  await cluster.stop();
});
