import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { withDeadline } from '@claimline/kernel/backoff';
import { storeLetterFile } from './letter-files.ts';
import type { Batch } from './write-batch.ts';

const asideStatement = sqlFile(import.meta.url, './set-aside.sql');

export const setAsideLimits = {
  /** A database that takes longer has no answer: then a file. */
  tableMs: 2000,
  errorMost: 1000,
} as const;

/**
 * Puts a batch that cannot be written where an operator finds it: into a table, or where the database has no
 * answer, or is not asked, into a file. A batch that turns out to be written needs no place.
 *
 * @throws when neither takes it
 */
export async function setAside(
  { sql, dataDir }: { sql: Sql | undefined; dataDir: string },
  batch: Batch,
  failure: Error,
): Promise<'table' | 'file'> {
  const error = failure.message.slice(0, setAsideLimits.errorMost);
  const isInTable = sql && (await storeInTable(sql, batch, error).catch(() => false));
  if (isInTable) return 'table';
  await storeLetterFile(dataDir, { ...batch, error, created_at: new Date().toISOString() });
  return 'file';
}

async function storeInTable(
  sql: Sql,
  { writer, number, attempts, json }: Batch,
  error: string,
): Promise<true> {
  const stored = sql.unsafe(asideStatement, [writer, number, attempts, error, json]);
  await withDeadline('the table of dead letters', setAsideLimits.tableMs, stored);
  return true;
}
