import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import {
  PostgresConnection,
  PostgresQueueBackend,
  Queue,
  type Queue as RedisQueue,
  type Worker as RedisWorker,
  runMigrations,
  Worker,
} from 'bullmq';
import pg from 'pg';
import { createEngine, type Engine } from './engine.ts';
import { createPostgresRoster } from './postgres-roster.ts';

const SCHEMA = 'bullmq';

const limits = { connectMs: 5000 } as const;

/**
 * BullMQ on Postgres: no Redis, a fraction of its speed; right for a laptop or a small shop.
 *
 * All queues and workers of the process share one BullMQ connection. Its own factory makes one for
 * each, and so a LISTEN connection for every open lane: with 20 lanes allowed, the 21st coupon of a
 * test suite waited 10 s for a quiet lane to close.
 */
export async function openPostgresEngine({
  url,
  sql,
  changes,
  connectionsMost,
  onError,
}: {
  url: string;
  sql: Sql;
  changes: Changes;
  /** For queue commands; one of them listens. */
  connectionsMost: number;
  onError: (error: Error) => void;
}): Promise<Engine> {
  const pool = new pg.Pool({
    connectionString: url,
    max: connectionsMost + 1,
    connectionTimeoutMillis: limits.connectMs,
    application_name: 'claimline queue',
    options: `-c search_path=${SCHEMA}`,
    keepAlive: true,
  });
  const connection = new PostgresConnection(pool as never);
  connection.setMaxListeners(0); // Every queue of the process listens for its errors.
  connection.on('error', onError);
  const listening = new Set<PostgresQueueBackend>();
  connection.on('listenerinvalidated', () => {
    // The connection that listened is gone: each lane stops waiting on it and listens anew.
    for (const backend of listening)
      void backend.disconnectBlocking().then(() => backend.reconnectBlocking());
    void allowMany();
  });

  /** Every open lane waits on the one listening client. */
  async function allowMany() {
    const client = await connection.getListenClient().catch(() => undefined);
    (client as pg.Client | undefined)?.setMaxListeners(0);
  }

  const ownsNothing = false;
  function openBackend(name: string, options: object, { withBlockingConnection = false } = {}) {
    const backend = new PostgresQueueBackend(connection, name, options as never, ownsNothing);
    if (withBlockingConnection) listening.add(backend);
    return backend;
  }

  await connection.waitUntilReady();
  await allowMany();

  return createEngine(
    {
      kind: 'postgres',
      scripts: null,
      roster: createPostgresRoster(sql, changes),
      // BullMQ's types know the two backends apart; nothing that we call differs.
      openQueue: lane => new Queue(lane, { connection: {} }, openBackend as never) as unknown as RedisQueue,
      openWorker(lane, processor, options) {
        const worker = new Worker(lane, processor, { ...options, connection: {} }, openBackend as never);
        worker.on('closed', () => listening.delete(worker.getBackend() as unknown as PostgresQueueBackend));
        return worker as unknown as RedisWorker;
      },
      async ping() {
        await pool.query('select 1');
      },
      async close() {
        await connection.close();
        await pool.end();
      },
    },
    onError,
  );
}

/** Brings BullMQ's own tables up to date; repeated and concurrent calls do no harm. */
export async function migrateQueue(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'claimline migrate' });
  await client.connect();
  try {
    await runMigrations(client, SCHEMA);
  } finally {
    await client.end();
  }
}
