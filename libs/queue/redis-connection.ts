import { once } from 'node:events';
import { withDeadline } from '@claimline/kernel/backoff';
import { splitAddresses } from '@claimline/kernel/config';
import { Cluster, Redis, type RedisOptions } from 'ioredis';

export const connectionLimits = {
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
  /**
   * How often a command is sent on by the nodes of a cluster, or tried again while one is missing: on the accepting
   * side for about as long as a command waits for its answer, and without end where it is waited for ever.
   */
  redirections: { accepting: 16, working: Number.POSITIVE_INFINITY },
  /** Wait between these: nodes that do not agree yet after a failover would send it to and fro. */
  redirectMs: 50,
  /** What the connections to the nodes of a cluster complain of is said once in so long. */
  nodeErrorMs: 2000,
} as const;

const isReplica = /^(?:READONLY|MASTERDOWN) /;

/** A Redis, or a Redis Cluster: they take the same commands, as long as the keys of each share a slot. */
export type RedisClient = Redis | Cluster;

/** Which side of the queue a process is on: the accepting side fails fast, the working side waits for ever. */
export type Side = 'accepting' | 'working';

export type RedisConnections = {
  client: RedisClient;
  /** A connection to subscribe on, which works on nothing else. */
  openSubscriber(): RedisClient;
  close(): void;
};

/**
 * Connects to the Redis at `url`, or to the Redis Cluster of which it names a node: the server says what it is. Several
 * addresses, separated by commas, are nodes of one cluster. The first one's user, password and TLS are those of all.
 *
 * @throws Error for a Redis older than 6.2, and one that may evict keys: an evicted job is a lost claim
 */
export async function connectRedis(
  url: string,
  side: Side,
  onError: (error: Error) => void,
): Promise<RedisConnections> {
  const options = optionsOf(side);
  const addresses = splitAddresses(url);
  const redis = await reachOne(addresses, options, onError);
  try {
    const info = await redis.info();
    if (isClustered(info)) {
      redis.disconnect();
      return await connectCluster(addresses, side, redis.options, onError);
    }
    if (addresses.length > 1)
      throw new Error(
        'REDIS_URL has several addresses, which is for the nodes of a cluster, and this Redis is none',
      );
    assertUsable(info);
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  const connections = [redis];
  return {
    client: redis,
    openSubscriber() {
      const overrides = { maxRetriesPerRequest: null, enableOfflineQueue: true, lazyConnect: false };
      const subscriber = open(url, { ...options, ...overrides }, onError);
      connections.push(subscriber);
      return subscriber;
    },
    close() {
      for (const connection of connections) connection.disconnect();
    },
  };
}

function optionsOf(side: Side): RedisOptions {
  const common: RedisOptions = {
    connectTimeout: connectionLimits.connectMs,
    retryStrategy: reconnectAfterMs,
    lazyConnect: true,
    socketTimeout: connectionLimits.silenceMs[side],
    // A primary that became a replica may keep its connections: whoever stays with it can write nothing any more.
    reconnectOnError: error => isReplica.test(error.message),
  };
  return side === 'accepting'
    ? {
        ...common,
        enableOfflineQueue: false,
        maxRetriesPerRequest: 0,
        commandTimeout: connectionLimits.commandMs,
      }
    : { ...common, maxRetriesPerRequest: null };
}

function reconnectAfterMs(tries: number): number {
  return Math.min(connectionLimits.reconnectMostMs, connectionLimits.reconnectMs * tries);
}

function open(address: string, options: RedisOptions, onError: (error: Error) => void): Redis {
  const redis = new Redis(address, options as object);
  redis.setMaxListeners(0); // Every queue of the process listens on the shared connection.
  redis.on('error', onError);
  return redis;
}

/** The first of the addresses that answers. Error: what the last one said. */
async function reachOne(
  addresses: string[],
  options: RedisOptions,
  onError: (error: Error) => void,
): Promise<Redis> {
  let last: unknown;
  for (const address of addresses) {
    const redis = open(address, options, onError);
    try {
      await redis.connect();
      return redis;
    } catch (error) {
      redis.disconnect();
      last = error;
    }
  }
  throw last;
}

async function connectCluster(
  addresses: string[],
  side: Side,
  { username, password, tls, family, db }: RedisOptions,
  onError: (error: Error) => void,
): Promise<RedisConnections> {
  if (db) throw new Error(`REDIS_URL names database ${db}, and a Redis Cluster has but one: leave it out`);
  const connections: Cluster[] = [];
  const onNodeError = seldom(onError);
  const close = () => {
    for (const connection of connections) connection.disconnect();
  };

  function openOne(enableOfflineQueue: boolean): Cluster {
    const cluster = new Cluster(addresses, {
      ...{ clusterRetryStrategy: reconnectAfterMs, enableOfflineQueue },
      maxRedirections: connectionLimits.redirections[side],
      retryDelayOnMoved: connectionLimits.redirectMs,
      // A name stays a name until it is connected to: certificates are made out for names.
      dnsLookup: (name, done) => done(null, name),
      redisOptions: { ...optionsOf(side), username, password, tls, family } as object,
    });
    cluster.setMaxListeners(0); // As for a single one.
    cluster.on('error', onError);
    cluster.on('node error', onNodeError);
    connections.push(cluster);
    return cluster;
  }

  const client = openOne(side === 'working');
  try {
    await withDeadline('the Redis Cluster', connectionLimits.connectMs, once(client, 'ready'));
    for (const info of await Promise.all(client.nodes('master').map(node => node.info()))) assertUsable(info);
  } catch (error) {
    close();
    throw error;
  }
  return { client, openSubscriber: () => openOne(true), close };
}

/** Hands on what was not said in the last seconds: a node that is missing is tried ten times a second. */
function seldom(onError: (error: Error) => void): (error: Error) => void {
  const said = new Set<string>();
  let sinceMs = Number.NEGATIVE_INFINITY;
  return error => {
    if (performance.now() - sinceMs > connectionLimits.nodeErrorMs) {
      sinceMs = performance.now();
      said.clear();
    }
    if (said.has(error.message)) return;
    said.add(error.message);
    onError(error);
  };
}

function isClustered(info: string): boolean {
  return /^cluster_enabled:1/m.test(info);
}

function assertUsable(info: string): void {
  const [major = 0, minor = 0] = (/redis_version:(\S+)/.exec(info)?.[1] ?? '').split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2))
    throw new Error(`Redis ${major}.${minor} is too old: 6.2 is needed`);
  const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
  if (policy && policy !== 'noeviction')
    throw new Error(
      `Redis has maxmemory-policy ${policy}, which may drop claims that wait: set it to noeviction`,
    );
}
