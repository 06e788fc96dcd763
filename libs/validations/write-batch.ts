import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import type { Attempt } from './attempt.ts';

const writeStatement = sqlFile(import.meta.url, './write-batch.sql');

/**
 * Attempts that are written together, oldest first, as JSON. The number rises from 1 with each batch of a
 * writer (a UUID): what the database has seen of a writer is known by it.
 */
export type Batch = { writer: string; number: number; attempts: number; json: string };

/** The attempts as a batch. */
export function toBatch(writer: string, number: number, attempts: Attempt[]): Batch {
  return { writer, number, attempts: attempts.length, json: JSON.stringify(attempts) };
}

/** Writes a batch into the usage log, unless it is there already; answers how many rows were written. */
export async function writeBatch(sql: Sql, { writer, number, json }: Batch): Promise<number> {
  const [row] = await sql.unsafe<{ written: number }[]>(writeStatement, [writer, number, json], {
    prepare: true,
  });
  return row?.written ?? 0;
}
