import { pause } from '@claimline/kernel/backoff';
import { type Migration, migrationsDir, readMigrations } from './migration-files.ts';
import type { Sql } from './pool.ts';
import { compare, readApplied } from './schema-check.ts';
import { openSession } from './session.ts';

export { assertSchema, SchemaError } from './schema-check.ts';

export const migrateLimits = {
  /** A migration that waits for a lock holds up everybody behind it, so it gives way and tries again. */
  lockTimeoutMs: 3000,
  tries: 20,
  retryMs: 500,
  /** How often a second migrator looks whether the first is done. */
  turnPollMs: 100,
} as const;

/** The key of the advisory lock that keeps migrators apart ("claimlin" as a number). */
const lockKey = '7164777128283892078';

/** lock_not_available and deadlock_detected: nothing was changed, another try may succeed. */
const retried = new Set(['55P03', '40P01']);

const table = `create table if not exists claimline_migrations (
  version integer primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default now()
)`;

/**
 * Applies the migrations that the database does not have yet, forward only, each in a transaction of
 * its own. A file that starts with the line `-- no-transaction` runs outside of one: it holds a single
 * statement, which must be harmless to repeat. Any number of these may run at once.
 * @returns the names of the applied files, in order
 * @throws SchemaError naming the file when an applied one is missing or was changed
 */
export async function migrate(options: {
  url: string;
  dir?: string;
  log?: (line: string) => void;
}): Promise<string[]> {
  const { url, dir = migrationsDir, log = () => {} } = options;
  const files = readMigrations(dir);
  const session = await openSession({
    url,
    applicationName: 'claimline migrate',
    statementTimeoutMs: 0,
    idleInTransactionMs: 0,
    lockTimeoutMs: migrateLimits.lockTimeoutMs,
  });
  try {
    return await Promise.race([applyAll(session.sql, files, log), session.lost]);
  } finally {
    await session.close();
  }
}

async function applyAll(sql: Sql, files: Migration[], log: (line: string) => void): Promise<string[]> {
  await waitForTurn(sql);
  await sql.unsafe(table);
  const applied = await readApplied(sql);
  compare(files, applied);
  const missing = files.filter(({ version }) => !applied.some(row => row.version === version));
  for (const file of missing) {
    await applyWithRetries(sql, file, log);
    log(`Applied ${file.name}.`);
  }
  return missing.map(({ name }) => name);
}

/**
 * Polled, because waiting inside Postgres would hold a snapshot, and a `create index concurrently`
 * of the migrator that has the lock would wait for that snapshot: a deadlock. The lock ends with the
 * session.
 */
async function waitForTurn(sql: Sql): Promise<void> {
  for (;;) {
    const [row] = await sql`select pg_try_advisory_lock(${lockKey}::bigint) as mine`;
    if (row?.mine) return;
    await pause(migrateLimits.turnPollMs);
  }
}

async function applyWithRetries(sql: Sql, file: Migration, log: (line: string) => void): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await apply(sql, file);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (!retried.has(code ?? '') || attempt === migrateLimits.tries)
        throw new Error(`The migration ${file.name} failed: ${message}`, { cause: error });
      log(`${file.name} did not get a lock; trying again.`);
      await pause(migrateLimits.retryMs);
    }
  }
}

async function apply(sql: Sql, { version, name, checksum, text, transactional }: Migration): Promise<void> {
  const record = () => sql`
    insert into claimline_migrations (version, name, checksum) values (${version}, ${name}, ${checksum})`;
  if (!transactional) {
    await sql.unsafe(text);
    await record();
    return;
  }
  await sql`begin`;
  try {
    await sql.unsafe(text);
    await record();
    await sql`commit`;
  } catch (error) {
    await sql`rollback`;
    throw error;
  }
}
