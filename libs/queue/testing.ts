import { type ChildProcess, spawnSync } from 'node:child_process';
import { openChanges } from '@claimline/db/changes';
import { closePool, openPool } from '@claimline/db/pool';
import { createTestDatabase } from '@claimline/db/testing';
import { createClosers } from '@claimline/kernel/closers';
import { describe, test } from 'vitest';
import { openEngine } from './open.ts';
import { migrateQueue } from './postgres-engine.ts';
import { startTestRedisCluster } from './testing-cluster.ts';
import { startTestRedis, type TestRedis } from './testing-redis.ts';

export { startTestRedis, type TestRedis };

export type EngineKind = 'redis' | 'cluster' | 'postgres';

const redisIsAvailable = spawnSync('redis-server', ['--version']).status === 0;
/** A build server without Redis is a mistake, a laptop without it is not. */
const redisIsRequired = Boolean(process.env.CI);

const lanesMost = 20;

/** Runs a suite that needs a redis-server; without one it is skipped with a line that says so, or fails on a build server. */
export function describeWithRedis(name: string, suite: () => void): void {
  if (redisIsAvailable) return void describe(name, suite);
  process.stderr.write(`There is no redis-server on PATH: "${name}" is skipped.\n`);
  describe(name, () => {
    test.skipIf(!redisIsRequired)('there is a redis-server on PATH', () => {
      throw new Error('CI is set and there is no redis-server on PATH');
    });
  });
}

/** Runs a suite on one engine: on Redis, or a Redis Cluster, only where there is one. */
export function describeOnEngine(kind: EngineKind, suite: () => void): void {
  if (kind === 'postgres') describe('on postgres', suite);
  else describeWithRedis(`on ${kind}`, suite);
}

/** The stores of one installation: a database, and a Redis where the engine is on it. */
export type TestStores = {
  kind: EngineKind;
  databaseUrl: string;
  redis: TestRedis | null;
  stop(): Promise<void>;
};

export async function startTestStores(kind: EngineKind): Promise<TestStores> {
  const database = await createTestDatabase();
  const redis = await startRedisOf(kind);
  if (kind === 'postgres') await migrateQueue(database.url);
  return {
    kind,
    databaseUrl: database.url,
    redis,
    async stop() {
      await redis?.stop();
      await database.drop();
    },
  };
}

function startRedisOf(kind: EngineKind): Promise<TestRedis> | null {
  if (kind === 'postgres') return null;
  return kind === 'cluster' ? startTestRedisCluster() : startTestRedis();
}

/** An engine as one process has it. */
export type TestEngine = Awaited<ReturnType<typeof openTestEngine>>;

/** Opens an engine with connections of its own, as another process would; `errors` is what it complained of. */
export async function openTestEngine(stores: TestStores, side: 'accepting' | 'working' = 'working') {
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const closers = createClosers((_, error) => onError(error));
  const sql = openPool({
    url: stores.databaseUrl,
    applicationName: `test ${side}`,
    max: 4,
    ...(side === 'working' && { settings: { enable_seqscan: 'off' } }),
  });
  closers.push('sql', () => closePool(sql, 1));
  const changes = openChanges({ url: stores.databaseUrl, applicationName: 'test listen', onError });
  closers.push('changes', () => changes.close());
  const engine = await openEngine({
    redisUrl: stores.redis?.url,
    databaseUrl: stores.databaseUrl,
    sql,
    changes,
    side,
    connectionsMost: lanesMost,
    onError,
  });
  closers.push('engine', () => engine.close());
  return { engine, sql, changes, errors, close: () => closers.close() };
}

/** Ends a child process at once and waits until it is gone. */
export async function killChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/**
 * Runs `work` with other limits, where the real ones would take a test minutes or a million rows. Limits are
 * read at each use, so only what runs meanwhile in this process sees it.
 */
export async function withLimits<Limits extends object>(
  limits: Limits,
  other: { [Name in keyof Limits]?: number },
  work: () => Promise<void>,
): Promise<void> {
  const before = { ...limits };
  Object.assign(limits, other);
  try {
    await work();
  } finally {
    Object.assign(limits, before);
  }
}
