import { migrate } from '@claimline/db/migrate';
import { migrateQueue } from '@claimline/queue/postgres-engine';
import type { Config } from '../config.ts';
import { requireDatabaseUrl } from '../process.ts';

/** Brings the tables up to date, and BullMQ's own where the queue is in Postgres. */
export async function runMigrations(config: Config, databaseUrl = requireDatabaseUrl(config)) {
  const applied = await migrate({ url: databaseUrl });
  if (!config.REDIS_URL) await migrateQueue(databaseUrl);
  const what = applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to do';
  process.stdout.write(`migrate: ${what}\n`);
}
