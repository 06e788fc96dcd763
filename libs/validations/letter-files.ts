import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Batch } from './write-batch.ts';

/** A batch as it lies in a file. */
export type LetterFile = Batch & { error: string; created_at: string };

/** What is told of a dead letter in a file; `id` finds it again. Of one that cannot be read, why, and no attempts. */
export type LetterHead = { id: string; attempts: number; error: string; createdAt: Date };

/** Below DATA_DIR. */
const FOLDER = 'validation-dead-letters';
const SUFFIX = '.json';

/** Stores a dead letter for good: after a power cut it is there as a whole, or not at all. */
export async function storeLetterFile(dataDir: string, letter: LetterFile): Promise<void> {
  await mkdir(join(dataDir, FOLDER), { recursive: true });
  const path = pathOf(dataDir, `${letter.writer}-${letter.number}`);
  const file = await open(`${path}.part`, 'w');
  try {
    await file.writeFile(JSON.stringify(letter));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.part`, path);
  const entries = await open(join(dataDir, FOLDER));
  await entries.sync().finally(() => entries.close());
}

/**
 * The dead letters in files, in any order; none where there is no such folder. Each may be tens of MB, so one is in
 * memory at a time.
 */
export async function listLetterFiles(dataDir: string): Promise<LetterHead[]> {
  const names = await readdir(join(dataDir, FOLDER)).catch(error => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const heads: LetterHead[] = [];
  for (const name of names.filter(name => name.endsWith(SUFFIX)))
    heads.push(await readHead(dataDir, name.slice(0, -SUFFIX.length)));
  return heads;
}

async function readHead(dataDir: string, id: string): Promise<LetterHead> {
  try {
    const { attempts, error, created_at } = await readLetterFile(dataDir, id);
    return { id, attempts, error, createdAt: new Date(created_at) };
  } catch (error) {
    const { message } = error as Error;
    const { mtime } = await stat(pathOf(dataDir, id)).catch(() => ({ mtime: new Date() }));
    return { id, attempts: 0, error: message, createdAt: mtime };
  }
}

/** A dead letter with all its attempts. Error: one that names a file that is none. */
export async function readLetterFile(dataDir: string, id: string): Promise<LetterFile> {
  const path = pathOf(dataDir, id);
  try {
    const letter: LetterFile = JSON.parse(await readFile(path, 'utf8'));
    if (typeof letter.json !== 'string' || Number.isNaN(Date.parse(letter.created_at)))
      throw new Error('it has not the fields of one');
    return letter;
  } catch (cause) {
    throw new Error(`${path} cannot be read as a dead letter: move it elsewhere, and look into it`, {
      cause,
    });
  }
}

/** Removes a dead letter that is replayed; one that somebody else has removed is none the worse. */
export async function removeLetterFile(dataDir: string, id: string): Promise<void> {
  await rm(pathOf(dataDir, id), { force: true });
}

function pathOf(dataDir: string, id: string): string {
  return join(dataDir, FOLDER, id + SUFFIX);
}
