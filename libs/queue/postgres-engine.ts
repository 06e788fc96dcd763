import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import {
  createPostgresBackend,
  type PostgresConnectionOptions,
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

const limits = {
  /** Connections for queue commands of one process. */
  poolMost: 10,
  connectMs: 5000,
} as const;

/**
 * BullMQ on Postgres: no Redis, about a tenth of its speed; right for a laptop or a small shop.
 * Every open lane holds one more connection (LISTEN), so `lanesMost` bounds the pool.
 */
export async function openPostgresEngine({
  url,
  sql,
  changes,
  lanesMost,
  onError,
}: {
  url: string;
  sql: Sql;
  changes: Changes;
  lanesMost: number;
  onError: (error: Error) => void;
}): Promise<Engine> {
  const pool = new pg.Pool({
    connectionString: url,
    max: limits.poolMost + lanesMost,
    connectionTimeoutMillis: limits.connectMs,
    application_name: 'claimline queue',
    options: `-c search_path=${SCHEMA}`,
    keepAlive: true,
  });
  pool.setMaxListeners(0); // Every queue and worker of the process listens on the shared pool.
  pool.on('error', onError);

  const connection = pool as unknown as PostgresConnectionOptions;

  return createEngine(
    {
      kind: 'postgres',
      scripts: null,
      roster: createPostgresRoster(sql, changes),
      // BullMQ's types know the two backends apart; nothing that we call differs.
      openQueue: lane => new Queue(lane, { connection }, createPostgresBackend) as unknown as RedisQueue,
      openWorker: (lane, processor, options) =>
        new Worker(
          lane,
          processor,
          { ...options, connection },
          createPostgresBackend,
        ) as unknown as RedisWorker,
      async ping() {
        await pool.query('select 1');
      },
      close: () => pool.end(),
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
