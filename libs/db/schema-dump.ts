import type { Sql } from './pool.ts';
import { sqlFile } from './sql-file.ts';

const query = sqlFile(import.meta.url, './schema-dump.sql');

/**
 * The schema `public` as SQL text, from the catalogs: the same text for the same schema, however it
 * came about, so that two of them can be compared. For reading and comparing; a backup is pg_dump's work.
 */
export async function dumpSchema(sql: Sql): Promise<string> {
  const rows = await sql.unsafe<{ statement: string }[]>(query);
  return `${rows.map(({ statement }) => statement.trim()).join('\n\n')}\n`;
}
