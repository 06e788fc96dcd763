import { Worker } from 'bullmq';
import postgres from 'postgres';

/*
 * The worker of the bullmq baselines. Without a database it does nothing. With one it is a bare hop: it commits
 * one row a job and says so by a notification on channel `hop_done`.
 * Usage: node --import tsx baselines/bullmq-worker.ts <queue> <redis url> [database url]
 */

// As many jobs in hand as the load has in flight; as many connections as rowlock has.
const JOBS_IN_HAND = 256;
const POOL_SIZE = 25;

const [queue, redisUrl, databaseUrl] = process.argv.slice(2);
if (!queue || !redisUrl) throw new Error('usage: bullmq-worker.ts <queue> <redis url> [database url]');

const sql = databaseUrl ? postgres(databaseUrl, { max: POOL_SIZE, onnotice: () => {} }) : undefined;
await sql?.unsafe(`create table if not exists hops (id text primary key, data jsonb not null)`);

async function commit(id: string, data: object): Promise<void> {
  if (!sql) return;
  await sql`
    with hop as (insert into hops (id, data) values (${id}, ${sql.json(data as never)}))
    select pg_notify('hop_done', ${id})`;
}

const worker = new Worker(queue, job => commit(job.id!, job.data), {
  connection: { url: redisUrl, maxRetriesPerRequest: null },
  concurrency: JOBS_IN_HAND,
});
worker.on('error', error => process.stderr.write(`${error.message}\n`));
