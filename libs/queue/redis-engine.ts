import { withDeadline } from '@claimline/kernel/backoff';
import { Queue, Worker } from 'bullmq';
import { createEngine, type Engine, type Scripts } from './engine.ts';
import { connectionLimits, connectRedis, type RedisClient, type Side } from './redis-connection.ts';
import { createRedisRoster } from './redis-roster.ts';

/** Events that BullMQ keeps of a lane. */
const EVENTS_KEPT = 100;

const pingKey = '{lanes}:ping';

/**
 * BullMQ on Redis, or on a Redis Cluster. `side` decides how a lost connection is met: the accepting side fails
 * fast (a client gets 503 at once), the working side waits for ever.
 */
export async function openRedisEngine({
  url,
  side,
  onError,
}: {
  url: string;
  side: Side;
  onError: (error: Error) => void;
}): Promise<Engine> {
  const { client, openSubscriber, close } = await connectRedis(url, side, onError);
  const scripts = scriptsOn(client);
  // The hash tag keeps all keys of a lane, and of the gate beside it, in one slot of a cluster.
  const prefix = (lane: string) => `{${lane}}`;

  return createEngine(
    {
      kind: 'redis',
      scripts,
      roster: createRedisRoster(client, scripts, openSubscriber),
      openQueue: lane =>
        new Queue(lane, {
          ...{ connection: client, prefix: prefix(lane) },
          // Nobody reads them, and they stay when a sale is over: 10,000 a lane otherwise, 1 to 2 MB.
          streams: { events: { maxLen: EVENTS_KEPT } },
        }),
      openWorker: (lane, processor, workerOptions) =>
        new Worker(lane, processor, { ...workerOptions, connection: client, prefix: prefix(lane) }),
      async ping() {
        // A full or demoted one still answers PING, and every claim is refused. Of a cluster this asks the node that has
        // the roster, without which no lane opens; where it has lost another one, that says so too, unless it is told
        // to go on with the rest (cluster-require-full-coverage no).
        const { commandMs } = connectionLimits;
        await withDeadline('Redis', commandMs, client.set(pingKey, 1, 'PX', commandMs));
      },
      async close() {
        close();
      },
    },
    onError,
  );
}

function scriptsOn(client: RedisClient): Scripts {
  return {
    load(name, lua) {
      client.defineCommand(name, { lua });
      const run = (client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[name];
      if (!run) throw new Error(`the script ${name} could not be defined`);
      return (keys, args) => run.call(client, keys.length, ...keys, ...args);
    },
  };
}
