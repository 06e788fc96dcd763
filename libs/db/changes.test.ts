import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Changes, type ChangesOptions, openChanges } from './changes.ts';
import { closePool, openPool, type Sql } from './pool.ts';
import { createTestDatabase, startTestCluster, type TestCluster, type TestDatabase } from './testing.ts';

const opened: { close(): Promise<void> }[] = [];
const errors: unknown[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each.close();
  errors.length = 0;
});

function open(url: string, options: Partial<ChangesOptions> = {}): Changes {
  const changes = openChanges({
    url,
    applicationName: 'changes test',
    onError: e => errors.push(e),
    ...options,
  });
  opened.push(changes);
  return changes;
}

describe('on a running Postgres', () => {
  let database: TestDatabase;
  let sql: Sql;
  beforeAll(async () => {
    database = await createTestDatabase({ empty: true });
    sql = openPool({ url: database.url, applicationName: 'test', max: 4 });
  });
  afterAll(async () => {
    await closePool(sql, 1);
    await database.drop();
  });

  test('after a barrier the handlers have seen what was committed before it: 2,000 times', async () => {
    const changes = open(database.url, { pingMinIntervalMs: 0 });
    const seen = new Set<string>();
    await changes.on('numbers', payload => seen.add(payload));
    let missed = 0;
    for (let i = 0; i < 2000; i++) {
      await sql`select pg_notify('numbers', ${String(i)})`;
      if (!(await changes.barrier()) || !seen.has(String(i))) missed++;
    }
    expect(missed).toBe(0);
  });

  test('the same with many committers and callers at once', async () => {
    const changes = open(database.url);
    const seen = new Set<string>();
    await changes.on('many', payload => seen.add(payload));
    const one = async (i: number) => {
      await sql`select pg_notify('many', ${`${i}-${'x'.repeat(i)}`})`;
      const passed = await changes.barrier();
      return passed && seen.has(`${i}-${'x'.repeat(i)}`);
    };
    const answers = await Promise.all(Array.from({ length: 1000 }, (_, i) => one(i)));
    expect(answers.filter(ok => !ok)).toEqual([]);
  });

  test('tells channels apart, serves several handlers, and one that throws harms nobody', async () => {
    const changes = open(database.url);
    const seen: string[] = [];
    await changes.on('a"b c', () => {
      throw new Error('handler');
    });
    await changes.on('a"b c', payload => seen.push(`quoted ${payload}`));
    await Promise.all([
      changes.on('plain', payload => seen.push(`plain ${payload}`)),
      changes.on('other', () => seen.push('other')),
    ]);
    await sql`select pg_notify('a"b c', '1'), pg_notify('plain', '2'), pg_notify('nobody', '3')`;
    expect(await changes.barrier()).toBe(true);
    expect(seen).toEqual(['quoted 1', 'plain 2']);
    expect(errors.map(String)).toEqual(['Error: handler']);
  });

  test('channels that are added while it connects are subscribed as well', async () => {
    for (let round = 0; round < 20; round++) {
      const changes = open(database.url);
      const seen: string[] = [];
      const adding: Promise<void>[] = [];
      for (let i = 0; !changes.connected() || i < 3; i++) {
        if (i < 200) adding.push(changes.on(`c${i}`, payload => seen.push(payload)));
        await new Promise(resolve => setImmediate(resolve));
      }
      await Promise.all(adding);
      await sql`select pg_notify('c' || i, i::text) from generate_series(0, ${adding.length - 1}) i`;
      await changes.barrier();
      expect(seen).toHaveLength(adding.length);
      await changes.close();
    }
  });

  test('the database clock is known after the first ping and agrees with Postgres', async () => {
    const changes = open(database.url);
    expect(changes.databaseNowMs()).toBeUndefined();
    await changes.on('x', () => {});
    await changes.barrier();
    for (let i = 0; i < 20; i++) await changes.barrier();
    const before = changes.databaseNowMs()!;
    const [row] = await sql`select extract(epoch from clock_timestamp())::float8 * 1000 as ms`;
    const after = changes.databaseNowMs()!;
    expect(row?.ms).toBeGreaterThan(before - 50);
    expect(row?.ms).toBeLessThan(after + 50);
  });
});

describe('when Postgres comes and goes', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startTestCluster();
  });
  afterAll(() => cluster.stop());

  async function notify(payload: string): Promise<void> {
    const sql = openPool({ url: cluster.url, applicationName: 'test', max: 1 });
    await sql`select pg_notify('news', ${payload})`;
    await closePool(sql, 1);
  }
  async function openListening(options: Partial<ChangesOptions> = {}) {
    const changes = open(cluster.url, options);
    const seen: string[] = [];
    let reconnects = 0;
    changes.onReconnect(() => reconnects++);
    await changes.on('news', payload => seen.push(payload));
    expect(await changes.barrier()).toBe(true);
    return { changes, seen, reconnects: () => reconnects };
  }

  test.each(['fast', 'immediate', 'kill'] as const)('subscribes again after a %s restart', async mode => {
    const { changes, seen, reconnects } = await openListening();
    const before = reconnects();
    await cluster.restart(mode);
    await expect.poll(() => changes.barrier(), { timeout: 5000 }).toBe(true);
    expect(reconnects()).toBe(before + 1);
    await notify(mode);
    expect(await changes.barrier()).toBe(true);
    expect(seen).toEqual([mode]);
    expect(errors.length).toBeGreaterThan(0);
  });

  test('a barrier is false at once while Postgres is away, and the clock goes on', async () => {
    const { changes } = await openListening();
    await cluster.kill();
    await expect.poll(() => changes.connected()).toBe(false);
    const startedMs = performance.now();
    const clockBefore = changes.databaseNowMs()!;
    for (let i = 0; i < 100; i++) expect(await changes.barrier()).toBe(false);
    // Waiting out each timeout would take 25 s.
    expect(performance.now() - startedMs).toBeLessThan(2500);
    expect(changes.databaseNowMs()).toBeGreaterThan(clockBefore);
    await cluster.restart();
    await expect.poll(() => changes.barrier(), { timeout: 5000 }).toBe(true);
  });

  test('may be opened while Postgres is away: on() waits for it', async () => {
    await cluster.kill();
    const changes = open(cluster.url);
    const seen: string[] = [];
    const subscribed = changes.on('news', payload => seen.push(payload));
    expect(await changes.barrier()).toBe(false);
    expect(changes.databaseNowMs()).toBeUndefined();
    await cluster.restart();
    await subscribed;
    await notify('first');
    expect(await changes.barrier()).toBe(true);
    expect(seen).toEqual(['first']);
  });

  test('a frozen Postgres makes barriers false: the first after the timeout, the others at once', async () => {
    const { changes, seen } = await openListening({ pingTimeoutMs: 100 });
    cluster.freeze();
    const startedMs = performance.now();
    expect(await changes.barrier()).toBe(false);
    const firstMs = performance.now() - startedMs;
    expect(firstMs).toBeGreaterThan(95);
    for (let i = 0; i < 100; i++) expect(await changes.barrier()).toBe(false);
    // Waiting out each timeout would take 10 s.
    expect(performance.now() - startedMs - firstMs).toBeLessThan(1000);
    cluster.thaw();
    await expect.poll(() => changes.barrier(), { timeout: 5000 }).toBe(true);
    expect(errors).toEqual([]);
    await notify('thawed');
    expect(await changes.barrier()).toBe(true);
    expect(seen).toEqual(['thawed']);
  });

  test('a connection that stays silent is given up for a new one', async () => {
    const { changes, seen, reconnects } = await openListening({ pingTimeoutMs: 50, pingDeadMs: 150 });
    const before = reconnects();
    cluster.freeze();
    expect(await changes.barrier()).toBe(false);
    await expect.poll(() => changes.connected()).toBe(false);
    expect(String(errors[0])).toContain('does not answer');
    cluster.thaw();
    await expect.poll(() => changes.barrier(), { timeout: 10_000 }).toBe(true);
    expect(reconnects()).toBe(before + 1);
    await notify('again');
    expect(await changes.barrier()).toBe(true);
    expect(seen).toEqual(['again']);
  });
});
