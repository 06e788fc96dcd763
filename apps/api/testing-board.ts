import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openChanges } from '@claimline/db/changes';
import { closePool, openPool } from '@claimline/db/pool';
import { createClosers } from '@claimline/kernel/closers';
import { Poison } from '@claimline/queue/engine';
import { openEngine } from '@claimline/queue/open';
import { expect } from 'vitest';
import { awaitUntil } from '../system-tests/await-until.ts';
import { startRedis } from '../system-tests/redis-server.ts';
import { createProcessDatabase, startProcess } from '../testing.ts';
import { json } from './testing-requests.ts';

type BoardJob = { id: string; failedReason?: string; processedOn?: number };

/** A lane as the board's own calls show it. */
export type BoardLane = {
  name: string;
  displayName: string;
  description: string;
  counts: Record<string, number>;
  jobs: BoardJob[];
  isPaused: boolean;
};

export type BoardStack = Awaited<ReturnType<typeof openBoardStack>>;

const onError = (error: unknown) => void process.stderr.write(`${String(error)}\n`);

/**
 * Two APIs on the same stores, one whose board may write, and no worker. The test has an engine of its
 * own on the same queue, to make there what a worker would.
 */
export async function openBoardStack(kind: 'postgres' | 'redis') {
  const closers = createClosers((_, error) => onError(error));
  const database = await createProcessDatabase();
  closers.push('database', () => database.drop());
  const folder = await mkdtemp(join(tmpdir(), 'claimline-board-'));
  closers.push('folder', () => rm(folder, { recursive: true, force: true }));
  const redis = kind === 'redis' ? await startRedis(folder) : undefined;
  if (redis) closers.push('redis', () => redis.stop('SIGKILL'));
  const engine = await openOwnEngine(database.url, redis?.url, closers);

  function start(app: 'api' | 'worker', more: Record<string, string> = {}) {
    const env = { DATABASE_URL: database.url, PORT: '0', ...(redis && { REDIS_URL: redis.url }), ...more };
    const started = startProcess(app, env);
    closers.push(app, () => started.stop());
    return started;
  }
  const apis = [start('api'), start('api', { BOARD_WRITABLE: 'on' })] as const;
  const [readOnly, writable] = await Promise.all([apis[0].ready, apis[1].ready]);

  async function lanes(query = ''): Promise<BoardLane[]> {
    const answer = await fetch(`${writable}/queues/api/queues${query}`);
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { queues: BoardLane[] }).queues;
  }
  const post = (path: string, body: unknown) =>
    fetch(writable + path, { method: 'POST', headers: json, body: JSON.stringify(body) });

  return {
    engine,
    readOnly,
    writable,
    start,
    /** Makes the coupon if there is none, claims it, and answers the ticket. */
    async claim(coupon: string, user: string): Promise<string> {
      await post('/api/coupons', { name: coupon, amount: 10 });
      const answer = await post(`/api/coupons/${encodeURIComponent(coupon)}/claims`, { user_id: user });
      expect(answer.status).toBe(202);
      return ((await answer.json()) as { ticket: string }).ticket;
    },
    async granted(ticket: string): Promise<void> {
      const isGranted = async () =>
        (await (await fetch(`${writable}/api/tickets/${ticket}`)).text()).includes('"granted"');
      await awaitUntil(`${ticket} to be granted`, isGranted);
    },
    /** The coupon's lane once it is as wanted: the board shows the roster as it was up to a second ago. */
    shown(coupon: string, is: (lane: BoardLane) => boolean = () => true, query = ''): Promise<BoardLane> {
      const find = async () =>
        (await lanes(query)).find(lane => lane.displayName.slice(2) === coupon && is(lane));
      return awaitUntil(`${coupon} on the board`, find);
    },
    /** Calls the board as its own page would, but for the headers given. */
    write(method: string, path: string, headers: Record<string, string> = {}, base = writable) {
      return fetch(`${base}/queues/api/queues/${path}`, { method, headers: { origin: base, ...headers } });
    },
    /** Fails the lane's jobs as a worker would, and leaves the lane closed and not wanted. */
    async failJobs(lane: string, count: number): Promise<void> {
      const take = async () => (await engine.roster.take('test', 60_000, 100)).includes(lane);
      await awaitUntil('the lane to be free', take);
      let dead = 0;
      const opened = engine.openLane(lane, {
        inHand: 1,
        handle: () => Promise.reject(new Poison('made to fail')),
        onDead: async () => void dead++,
        onError: () => {},
      });
      await awaitUntil('the jobs to fail', () => dead === count);
      await opened.close();
      await engine.roster.leave('test', lane, 0);
    },
    close: () => closers.close(),
  };
}

async function openOwnEngine(
  url: string,
  redisUrl: string | undefined,
  closers: ReturnType<typeof createClosers>,
) {
  const sql = openPool({ url, applicationName: 'board test' });
  closers.push('pool', () => closePool(sql, 1));
  const changes = await openChanges({ url, applicationName: 'board test', onError });
  closers.push('changes', () => changes.close());
  const engine = await openEngine({
    redisUrl,
    databaseUrl: url,
    sql,
    changes,
    side: 'working',
    connectionsMost: 5,
    onError,
  });
  closers.push('engine', () => engine.close());
  return engine;
}
