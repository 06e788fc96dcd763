import { connect, createServer, type Socket } from 'node:net';
import { pause } from '@claimline/kernel/backoff';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isTransient } from './error.ts';
import { closePool, openPool, poolLimits, type Sql } from './pool.ts';
import { createTestDatabase, type TestDatabase } from './testing.ts';
import { openTransactions, transaction } from './transaction.ts';

const connections = 4;
const rounds = 10;
/** Less than a lost connection costs without the mend: five seconds until it is made anew. */
const settledMs = 4000;
const turnsAsked = 60;
const applicationName = 'breaking';
/** With these a deadline is 1.3 s. */
const short = { applicationName, statementTimeoutMs: 100, connectTimeoutSeconds: 1 };
let database: TestDatabase;
let watch: Sql;
let way: Awaited<ReturnType<typeof openBreakingWay>>;
beforeAll(async () => {
  Object.assign(poolLimits, { answerSlackMs: 200 });
  database = await createTestDatabase({ empty: true });
  watch = openPool({ url: database.url, applicationName: 'watch', max: 1 });
  way = await openBreakingWay(database.url);
});
afterAll(async () => {
  way.close();
  await closePool(watch);
  await database.drop();
});

/** A way to Postgres whose connections can be reset: then a read fails with ECONNRESET, as after a crash. */
async function openBreakingWay(url: string) {
  const near = new URL(url);
  const clients = new Set<Socket>();
  let isDeaf = false;
  const server = createServer(client => {
    const store = connect(Number(near.port), near.hostname);
    clients.add(client);
    if (!isDeaf) client.pipe(store).pipe(client);
    for (const [one, other] of [
      [client, store],
      [store, client],
    ] as const) {
      one.on('error', () => {});
      one.on('close', () => {
        clients.delete(client);
        other.destroy();
      });
    }
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const far = new URL(url);
  far.port = String((server.address() as { port: number }).port);
  return {
    url: far.href,
    resetAll() {
      for (const client of clients) client.resetAndDestroy();
    },
    endAll() {
      for (const client of clients) client.end();
    },
    /** Nothing passes any more on the connections of now, and nobody is told. */
    silenceAll() {
      for (const client of clients) client.unpipe().resume();
    },
    /** The same for connections that are made from now on. */
    setDeaf(deaf: boolean) {
      isDeaf = deaf;
    },
    /** Each in a turn of the event loop of its own. */
    async resetOneByOne() {
      for (const client of clients) {
        client.resetAndDestroy();
        await new Promise(resolve => setImmediate(resolve));
      }
    },
    close() {
      for (const client of clients) client.destroy();
      server.close();
    },
  };
}

const sleeping = () => watch`
  select pid from pg_stat_activity
  where application_name = ${applicationName} and state = 'active' and query like '%pg_sleep%'`;

/** Resolves when so many of the pool's connections sleep. */
async function asleep(count: number) {
  await expect.poll(async () => (await sleeping()).length, { interval: 5 }).toBe(count);
}

/** Ends those whose connection is gone: they would notice only at their next word. */
async function wake() {
  for (const { pid } of await sleeping()) await watch`select pg_terminate_backend(${pid})`;
}

test('what is asked the instant a connection breaks is answered, and the pool keeps its connections', async () => {
  const sql = openPool({ url: way.url, applicationName, max: connections });
  for (let round = 0; round < rounds; round++) {
    let broken = 0;
    const running = Array.from({ length: connections }, async () => {
      await sql`select pg_sleep(30)`.catch(() => broken++);
      // As a relay does, that tries again at once.
      return sql`select 1 as one`.then(([row]) => row, String);
    });
    await asleep(connections);
    way.resetAll();
    const settled = await Promise.race([Promise.all(running), pause(settledMs)]);
    expect(settled, `round ${round}`).toEqual(running.map(() => ({ one: 1 })));
    expect(broken).toBe(connections);
    await wake();
  }
  const atOnce = Array.from({ length: connections }, async () => {
    const [row] = await sql`select pg_backend_pid() as pid, pg_sleep(0.5)`;
    return row?.pid;
  });
  await asleep(connections);
  const pids = await Promise.all(atOnce);
  expect(new Set(pids).size).toBe(connections);
  await closePool(sql);
});

test.each(['reset', 'ended'] as const)(
  'what is asked while idle connections are %s is answered, or fails at once',
  async how => {
    for (let round = 0; round < rounds; round++) {
      const sql = openPool({ url: way.url, applicationName, max: connections });
      await Promise.all(Array.from({ length: connections }, () => sql`select pg_sleep(0.02)`));
      if (how === 'reset') way.resetAll();
      else way.endAll();
      const asked: Promise<unknown>[] = [];
      for (let turn = 0; turn < turnsAsked; turn++) {
        asked.push(sql`select 1 as one`.then(([row]) => row?.one === 1, isTransient));
        await new Promise(resolve => setImmediate(resolve));
      }
      const settled = await Promise.race([Promise.all(asked), pause(settledMs)]);
      expect(settled, `round ${round}`).toEqual(asked.map(() => true));
      await closePool(sql);
    }
  },
);

test('connections that break one after the other lose nothing', async () => {
  const sql = openPool({ url: way.url, applicationName, max: connections });
  for (let round = 0; round < rounds; round++) {
    const running = Array.from({ length: connections }, async () => {
      await sql`select pg_sleep(30)`.catch(() => {});
      return sql`select 1 as one`.then(([row]) => row, String);
    });
    await asleep(connections);
    await way.resetOneByOne();
    const settled = await Promise.race([Promise.all(running), pause(settledMs)]);
    expect(settled, `round ${round}`).toEqual(running.map(() => ({ one: 1 })));
    await wake();
  }
  await closePool(sql);
});

test('a transaction whose connection breaks fails, and the next one has another connection', async () => {
  const transactions = openTransactions({ url: way.url, applicationName, max: 1 });
  for (let round = 0; round < rounds; round++) {
    const failing = transaction(transactions, tx => tx`select pg_sleep(30)`);
    await Promise.all([asleep(1).then(way.resetAll), expect(failing).rejects.toSatisfy(isTransient)]);
    await wake();
    const [row] = await transaction(transactions, tx => tx`select 1 as one`);
    expect(row).toEqual({ one: 1 });
  }
  await transactions.close();
});

test('connections to a Postgres that is gone without a word are given up', async () => {
  const sql = openPool({ url: way.url, ...short, max: connections });
  const transactions = openTransactions({ url: way.url, ...short, max: 1 });
  const askAll = () => Promise.all(Array.from({ length: connections }, () => sql`select pg_sleep(0.02)`));
  await Promise.all([askAll(), transaction(transactions, tx => tx`select 1`)]);
  way.silenceAll();
  await Promise.all([
    expect(askAll()).rejects.toSatisfy(isTransient),
    expect(transaction(transactions, tx => tx`select 1`)).rejects.toSatisfy(isTransient),
  ]);
  const works = () =>
    askAll()
      .then(() => transaction(transactions, tx => tx`select 1`))
      .then(
        () => true,
        () => false,
      );
  await expect.poll(works, { timeout: 5000 }).toBe(true);
  await transactions.close();
  await closePool(sql);
});

test('what was told to have failed while no connection could be made is not done later', async () => {
  await watch`create table done (what text)`;
  const sql = openPool({ url: way.url, ...short, max: 1 });
  way.setDeaf(true);
  const asked = ['first', 'second', 'third'].map(what =>
    sql`insert into done values (${what})`.catch(error => error),
  );
  expect((await Promise.all(asked)).every(isTransient)).toBe(true);
  way.setDeaf(false);
  await expect
    .poll(
      () =>
        sql`insert into done values ('later')`.then(
          () => true,
          () => false,
        ),
      { timeout: 5000 },
    )
    .toBe(true);
  expect(await watch`select what from done`).toEqual([{ what: 'later' }]);
  await closePool(sql);
});

test('a pool leaves a Postgres that only reads', async () => {
  const name = new URL(database.url).pathname.slice(1);
  await watch`create table written (at timestamptz)`;
  await watch.unsafe(`alter database ${name} set default_transaction_read_only = on`);
  const sql = openPool({ url: way.url, applicationName, max: connections });
  const write = () =>
    sql`insert into written values (now())`.then(
      () => 'done',
      error => error.code,
    );
  expect(await write()).toBe('25006');
  await watch.unsafe(`alter database ${name} set default_transaction_read_only = off`);
  await expect.poll(write, { timeout: 5000 }).toBe('done');
  await closePool(sql);
});
