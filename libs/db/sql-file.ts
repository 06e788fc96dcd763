import { readFileSync } from 'node:fs';

/**
 * The text of an SQL file beside the module, e.g. `const settle = sqlFile(import.meta.url, './settle.sql')`.
 * Call it once, while the module loads, and run it with `sql.unsafe(settle, args, { prepare: true })`:
 * the driver's own `sql.file()` reads the disk at every call.
 */
export function sqlFile(importMetaUrl: string, relativePath: string): string {
  return readFileSync(new URL(relativePath, importMetaUrl), 'utf8');
}
