import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A migration on disk. `checksum` is the sha256 of its text, whatever line ends a checkout gave it. */
export type Migration = {
  version: number;
  name: string;
  text: string;
  checksum: string;
  /** False for a file that starts with "-- no-transaction". */
  transactional: boolean;
};

/** Where our own migrations are. */
export const migrationsDir = fileURLToPath(new URL('./migrations', import.meta.url));

const fileName = /^(\d{4})_[a-z0-9_]+\.sql$/;

/**
 * Reads `NNNN_name.sql` files in the order of their numbers.
 * @throws Error naming the file that does not fit, or whose number is taken
 */
export function readMigrations(dir: string): Migration[] {
  const migrations: Migration[] = [];
  for (const name of readdirSync(dir).sort()) {
    if (!name.endsWith('.sql')) continue;
    const version = Number(fileName.exec(name)?.[1]);
    if (!version) throw new Error(`${join(dir, name)} is not named like 0001_some_words.sql.`);
    if (migrations.at(-1)?.version === version)
      throw new Error(`${join(dir, name)} has a number that is taken.`);
    const text = readFileSync(join(dir, name), 'utf8').replaceAll('\r\n', '\n');
    migrations.push({
      version,
      name,
      text,
      checksum: createHash('sha256').update(text).digest('hex'),
      transactional: !text.startsWith('-- no-transaction\n'),
    });
  }
  return migrations;
}
