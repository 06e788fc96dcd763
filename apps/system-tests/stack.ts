import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { startTestCluster, type TestCluster } from '@claimline/db/testing';
import { awaitUntil } from './await-until.ts';
import { type Exit, startChild } from './child.ts';
import { type ClaimClient, openClient } from './claim-client.ts';
import { type EnvironmentOf, type Fleet, startFleet } from './fleet.ts';
import { type RedisServer, startRedis } from './redis-server.ts';
import { openWays, type Ways } from './ways.ts';

const worksWithinMs = 45_000;
const statementTimeoutMs = 15_000;

/** What the queue runs on. */
export type Engine = 'redis' | 'postgres';

export interface StackOptions {
  engine: Engine;
  apis?: number;
  workers?: number;
  /** How late the APIs and workers hear what the database says. */
  databaseDelayMs?: number;
  /** A Redis of the test's own, in place of the stack's. */
  redisUrl?: string;
  /** Whether the processes reach their stores by ways that can be held up and cut. */
  hasWays?: boolean;
  /** Added to the environment of every API and worker process. */
  env?: Record<string, string>;
  /** Added to the environment of one of them. */
  envOf?: EnvironmentOf;
}

/** The whole system, run as its operator would: processes on real stores, nothing shared with the tests. */
export interface Stack extends Omit<Fleet, 'addresses' | 'healthy' | 'end'> {
  engine: Engine;
  /** The base address of the first API. */
  api: string;
  /** The base addresses of all APIs; a replaced API keeps its address. */
  apis: string[];
  /** The address of the database. */
  database: string;
  sql: Sql;
  postgres: TestCluster;
  redis: RedisServer | undefined;
  /** The ways to the stores, when they were asked for. */
  ways: Ways | undefined;
  /** Runs the command line on these stores to its end. */
  runCommand(...args: string[]): Promise<Exit & { lines: string[] }>;
  restartRedis(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** A fresh client with a history of its own, of all APIs unless some are named. */
  client(apis?: string[]): ClaimClient;
  /** Stops everything; throws when a process had ended that nobody asked to. */
  stop(): Promise<void>;
}

/** Starts stores, APIs and workers, and waits until a claim has gone all the way. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { engine, apis = 1, workers = 1, databaseDelayMs = 0, hasWays = false, env = {}, redisUrl } = options;
  const folder = await mkdtemp(join(tmpdir(), 'claimline-system-'));
  const closers: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  let fleet: Fleet | undefined;
  try {
    const postgres = await startTestCluster();
    closers.push(() => postgres.stop());
    const sql = openPool({
      url: postgres.url,
      applicationName: 'system tests',
      statementTimeoutMs,
      fetchTypes: false,
    });
    closers.push(() => closePool(sql, 1));
    const redis =
      engine === 'redis' && !redisUrl ? await startRedis(await newFolder(folder, 'redis')) : undefined;
    if (redis) closers.push(() => redis.stop('SIGKILL'));
    const addressesOfStores = { postgres: postgres.url, redis: redis?.url };
    const ways =
      hasWays || databaseDelayMs > 0
        ? await openWays(addressesOfStores, { apis, delayMs: databaseDelayMs })
        : undefined;
    if (ways) closers.push(ways.end);

    const environment = {
      HOST: '127.0.0.1',
      DATABASE_URL: postgres.url,
      DATA_DIR: await newFolder(folder, 'data'),
      LOG_LEVEL: 'warn',
      RATE_LIMITS: 'off',
      ...(redis && { REDIS_URL: redis.url }),
      ...(redisUrl && { REDIS_URL: redisUrl }),
      ...env,
    };
    const runCommand = (...args: string[]) => runClaimline(args, environment);
    const migrated = await runCommand('migrate');
    if (migrated.code !== 0)
      throw new Error(`migrate ended with ${migrated.code}:\n${migrated.lines.join('\n')}`);
    const environmentOf: EnvironmentOf = (kind, index) => {
      const way = kind === 'api' ? ways?.apis[index] : ways?.workers;
      const far = way && { DATABASE_URL: way.postgres.url, ...(way.redis && { REDIS_URL: way.redis.url }) };
      return { ...environment, ...far, ...options.envOf?.(kind, index) };
    };
    const running = await startFleet(environmentOf, { apis, workers });
    fleet = running;
    closers.push(running.end);
    await running.healthy();
    const { addresses } = running;
    await claimOnce(openClient(addresses), sql);
    return {
      ...running,
      engine,
      api: addresses[0]!,
      apis: addresses,
      database: postgres.url,
      sql,
      postgres,
      redis,
      ways,
      runCommand,
      client: (some = addresses) => openClient(some),
      async restartRedis(signal) {
        await redis?.restart(signal);
      },
      async stop() {
        const crashed = running.crashed().join(', ');
        const said = running.logs();
        await closeAll();
        if (crashed) throw new Error(`ended by themselves: ${crashed}\n${said}`);
      },
    };
  } catch (error) {
    const said = fleet?.logs();
    await closeAll();
    throw new Error(`the stack on ${engine} did not start\n${said ?? ''}`, { cause: error });
  }
}

/** Runs a command as an operator would. */
async function runClaimline(args: string[], environment: Record<string, string>) {
  const command = ['--import', 'tsx', 'apps/cli/main.ts', ...args];
  const child = startChild(args.join(' '), process.execPath, command, environment);
  return { ...(await child.exited), lines: child.lines };
}

/** A worker has no address to ask: it works when a claim is granted. Leaves no trace. */
async function claimOnce(client: ClaimClient, sql: Sql): Promise<void> {
  const name = `warm-up ${randomUUID()}`;
  await client.create(name, 1);
  const granted = async () => {
    await client.claim(name, 'first');
    return (await client.coupon(name)).body.claimed_count === 1;
  };
  await awaitUntil('the first claim to be granted', granted, worksWithinMs);
  await sql`delete from coupons where name = ${name}`;
}

async function newFolder(parent: string, name: string): Promise<string> {
  const folder = join(parent, name);
  await mkdir(folder);
  return folder;
}
