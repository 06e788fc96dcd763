import type { Sql } from '@claimline/db/pool';
import { listLetterFiles, readLetterFile, removeLetterFile } from './letter-files.ts';
import { type Batch, writeBatch } from './write-batch.ts';

/**
 * A batch of attempts that could not be written. `place`: where it lies, a table or a file on this machine; a file
 * that cannot be read has 0 attempts, and says so in `error`.
 */
export type DeadLetter = {
  id: string;
  place: 'table' | 'file';
  attempts: number;
  error: string;
  createdAt: Date;
};

type Kept = DeadLetter & { read(): Promise<Batch>; remove(): Promise<unknown> };

/** All dead letters, oldest first: of the database, and of the files below `dataDir`. */
export async function listDeadLetters(sql: Sql, dataDir: string): Promise<DeadLetter[]> {
  const kept = await findLetters(sql, dataDir);
  return kept.map(({ read: _, remove: __, ...letter }) => letter);
}

/**
 * Writes every dead letter into the usage log and removes it. Each attempt is there once, also when this
 * breaks off, and when it was there before: a letter goes by the number of its batch, or by its own id.
 *
 * @param onLetter told of each, with the error of one that stays
 */
export async function replayDeadLetters(
  sql: Sql,
  dataDir: string,
  onLetter: (letter: DeadLetter, written: number, failure?: Error) => void,
): Promise<void> {
  for (const letter of await findLetters(sql, dataDir)) {
    let written = 0;
    let failure: Error | undefined;
    try {
      written = await writeBatch(sql, await letter.read());
      await letter.remove();
    } catch (error) {
      failure = error as Error;
    }
    onLetter(letter, written, failure);
  }
}

async function findLetters(sql: Sql, dataDir: string): Promise<Kept[]> {
  const [rows, files] = await Promise.all([
    sql<{ id: string; attempts: number; error: string; created_at: Date }[]>`
      select id, attempts, error, created_at from validation_dead_letters`,
    listLetterFiles(dataDir),
  ]);
  const inTable = rows.map(({ id, attempts, error, created_at }): Kept => {
    const remove = () => sql`delete from validation_dead_letters where id = ${id}`;
    return {
      id,
      place: 'table',
      attempts,
      error,
      createdAt: created_at,
      read: () => readLetter(sql, id),
      remove,
    };
  });
  const inFiles = files.map(
    (head): Kept => ({
      ...head,
      place: 'file',
      read: () => readLetterFile(dataDir, head.id),
      remove: () => removeLetterFile(dataDir, head.id),
    }),
  );
  return [...inTable, ...inFiles].sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime());
}

async function readLetter(sql: Sql, id: string): Promise<Batch> {
  const [row] = await sql<{ attempts: number; rows: string }[]>`
    select attempts, rows from validation_dead_letters where id = ${id}`;
  if (!row) throw new Error('somebody else has replayed it');
  return { writer: id, number: 1, attempts: row.attempts, json: row.rows };
}
