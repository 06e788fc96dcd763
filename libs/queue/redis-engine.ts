import { withDeadline } from '@claimline/kernel/backoff';
import { Queue, Worker } from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import { createEngine, type Engine, type Scripts } from './engine.ts';
import { createRedisRoster } from './redis-roster.ts';

const limits = {
  /** A command of the accepting side that is not answered by then fails, and the caller gets a 503. */
  commandMs: 2000,
  /** Wait between tries to reach Redis. */
  reconnectMs: 200,
  reconnectMostMs: 2000,
  connectMs: 10_000,
  /**
   * A connection on which something was asked and nothing came for so long is given up: that of a host which is gone
   * without a word would be waited for until the kernel gives up, a quarter of an hour. A lane asks for jobs for up to 10 s.
   */
  silenceMs: { accepting: 5000, working: 15_000 },
  /** Events that BullMQ keeps of a lane. */
  eventsKept: 100,
} as const;

const pingKey = '{lanes}:ping';
const isReplica = /^(?:READONLY|MASTERDOWN) /;

/**
 * BullMQ on Redis. `side` decides how a lost connection is met: the accepting side fails fast (a
 * client gets 503 at once), the working side waits for ever.
 *
 * Refuses a Redis older than 6.2, and one that may evict keys: an evicted job is a lost claim.
 */
export async function openRedisEngine({
  url,
  side,
  onError,
}: {
  url: string;
  side: 'accepting' | 'working';
  onError: (error: Error) => void;
}): Promise<Engine> {
  const common: RedisOptions = {
    connectTimeout: limits.connectMs,
    retryStrategy: tries => Math.min(limits.reconnectMostMs, limits.reconnectMs * tries),
    lazyConnect: true,
    socketTimeout: limits.silenceMs[side],
    // A primary that became a replica may keep its connections: whoever stays with it can write nothing any more.
    reconnectOnError: error => isReplica.test(error.message),
  };
  const options: RedisOptions =
    side === 'accepting'
      ? { ...common, enableOfflineQueue: false, maxRetriesPerRequest: 0, commandTimeout: limits.commandMs }
      : { ...common, maxRetriesPerRequest: null };
  const connections: Redis[] = [];

  function connect(overrides: RedisOptions = {}): Redis {
    const redis = new Redis(url, { ...options, ...overrides } as object);
    redis.setMaxListeners(0); // Every queue of the process listens on the shared connection.
    redis.on('error', onError);
    connections.push(redis);
    return redis;
  }

  const redis = connect();
  try {
    await redis.connect();
    await assertUsable(redis);
  } catch (error) {
    redis.disconnect();
    throw error;
  }

  const scripts: Scripts = {
    load(name, lua) {
      redis.defineCommand(name, { lua });
      const run = (redis as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[name];
      if (!run) throw new Error(`the script ${name} could not be defined`);
      return (keys, args) => run.call(redis, keys.length, ...keys, ...args);
    },
  };

  // The hash tag keeps all keys of a lane, and of the gate beside it, in one slot of a cluster.
  const prefix = (lane: string) => `{${lane}}`;

  return createEngine(
    {
      kind: 'redis',
      scripts,
      roster: createRedisRoster(redis, scripts, () =>
        connect({ maxRetriesPerRequest: null, enableOfflineQueue: true, lazyConnect: false }),
      ),
      openQueue: lane =>
        new Queue(lane, {
          ...{ connection: redis, prefix: prefix(lane) },
          // Nobody reads them, and they stay when a sale is over: 10,000 a lane otherwise, 1 to 2 MB.
          streams: { events: { maxLen: limits.eventsKept } },
        }),
      openWorker: (lane, processor, workerOptions) =>
        new Worker(lane, processor, { ...workerOptions, connection: redis, prefix: prefix(lane) }),
      async ping() {
        // A full or demoted one still answers PING, and every claim is refused.
        await withDeadline('Redis', limits.commandMs, redis.set(pingKey, 1, 'PX', limits.commandMs));
      },
      async close() {
        for (const connection of connections) connection.disconnect();
      },
    },
    onError,
  );
}

async function assertUsable(redis: Redis) {
  const info = await redis.info();
  const [major = 0, minor = 0] = (/redis_version:(\S+)/.exec(info)?.[1] ?? '').split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2))
    throw new Error(`Redis ${major}.${minor} is too old: 6.2 is needed`);
  const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
  if (policy && policy !== 'noeviction')
    throw new Error(
      `Redis has maxmemory-policy ${policy}, which may drop claims that wait: set it to noeviction`,
    );
}
