import { mkdir, open, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Batch } from './write-batch.ts';

/** A batch as it lies in a file. */
export type LetterFile = Batch & { error: string; created_at: string };

/** Below DATA_DIR. */
const FOLDER = 'validation-dead-letters';
const SUFFIX = '.json';

/** Stores a dead letter for good: after a power cut it is there as a whole, or not at all. */
export async function storeLetterFile(dataDir: string, letter: LetterFile): Promise<void> {
  const folder = join(dataDir, FOLDER);
  await mkdir(folder, { recursive: true });
  const path = join(folder, nameOf(letter));
  const file = await open(`${path}.part`, 'w');
  try {
    await file.writeFile(JSON.stringify(letter));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.part`, path);
  const entries = await open(folder);
  await entries.sync().finally(() => entries.close());
}

/**
 * The dead letters in files, oldest first; none where there is no such folder. One after the other: each may be
 * tens of MB. Error: one that names a file that is none.
 */
export async function listLetterFiles(dataDir: string): Promise<LetterFile[]> {
  const folder = join(dataDir, FOLDER);
  const names = await readdir(folder).catch(error => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const letters: LetterFile[] = [];
  for (const name of names.filter(name => name.endsWith(SUFFIX)))
    letters.push(await readLetterFile(join(folder, name)));
  return letters.sort((a, b) => Number(a.created_at > b.created_at) - Number(a.created_at < b.created_at));
}

async function readLetterFile(path: string): Promise<LetterFile> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new Error(`${path} cannot be read as a dead letter: move it elsewhere, and look into it`, {
      cause,
    });
  }
}

/** Removes a dead letter that is replayed. */
export async function removeLetterFile(dataDir: string, letter: LetterFile): Promise<void> {
  await unlink(join(dataDir, FOLDER, nameOf(letter)));
}

function nameOf({ writer, number }: LetterFile): string {
  return `${writer}-${number}${SUFFIX}`;
}
