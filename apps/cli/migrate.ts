import { migrate } from '@claimline/db/migrate';
import { openSession } from '@claimline/db/session';
import { migrateQueue } from '@claimline/queue/postgres-engine';
import type { Config } from '../config.ts';
import { onceThere, requireDatabaseUrl } from '../process.ts';

/** Brings the tables up to date, and BullMQ's own where the queue is in Postgres, once that is there. */
export async function runMigrations(
  config: Config,
  { databaseUrl = requireDatabaseUrl(config), signal }: { databaseUrl?: string; signal?: AbortSignal } = {},
) {
  const sayAway = (error: unknown) =>
    process.stderr.write(`migrate: postgres is not there yet: ${(error as Error).message}\n`);
  const connect = () => openSession({ url: databaseUrl, applicationName: 'claimline migrate' });
  await (await onceThere(connect, sayAway, signal)).close();
  const applied = await migrate({ url: databaseUrl });
  if (!config.REDIS_URL) await migrateQueue(databaseUrl);
  const what = applied.length > 0 ? `applied ${applied.join(', ')}` : 'nothing to do';
  process.stdout.write(`migrate: ${what}\n`);
}
