import { type Migration, migrationsDir, readMigrations } from './migration-files.ts';
import type { Sql } from './pool.ts';

/** A row of claimline_migrations. */
export type Applied = { version: number; name: string; checksum: string };

/** The database does not have the schema that this version of the program needs; `message` says what to do. */
export class SchemaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SchemaError';
  }
}

/**
 * Resolves when the database has exactly the schema of our migrations.
 * @throws SchemaError when it is older, newer or changed
 */
export async function assertSchema(sql: Sql, dir: string = migrationsDir): Promise<void> {
  const files = readMigrations(dir);
  const applied = await readApplied(sql);
  const [have, need] = [applied.at(-1)?.version ?? 0, files.at(-1)?.version ?? 0];
  if (have > need)
    throw new SchemaError(
      `The database is at schema version ${have} and this Claimline knows ${need}: run a newer Claimline.`,
    );
  compare(files, applied);
  if (have < need)
    throw new SchemaError(
      `The database is at schema version ${have} and this Claimline needs ${need}: run npm run migrate.`,
    );
}

/** What has been applied, in order; nothing when the table does not exist. */
export async function readApplied(sql: Sql): Promise<Applied[]> {
  const [row] = await sql`select to_regclass('claimline_migrations') is not null as exists`;
  if (!row?.exists) return [];
  return sql<Applied[]>`select version, name, checksum from claimline_migrations order by version`;
}

/** @throws SchemaError when a file that was applied is gone, has changed, or comes before what was applied */
export function compare(files: Migration[], applied: Applied[]): void {
  for (const row of applied) {
    const file = files.find(({ version }) => version === row.version);
    if (!file)
      throw new SchemaError(`The migration ${row.name} was applied to the database and its file is missing.`);
    if (file.checksum !== row.checksum)
      throw new SchemaError(
        `The migration ${file.name} was changed after it was applied: put it back and write a new one.`,
      );
  }
  const newest = applied.at(-1)?.version ?? 0;
  const late = files.find(({ version }) => version < newest && !applied.some(row => row.version === version));
  if (late)
    throw new SchemaError(
      `The migration ${late.name} was added before ones that are applied: give it the next number.`,
    );
}
