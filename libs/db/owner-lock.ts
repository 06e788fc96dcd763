import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processStart } from './process-identity.ts';

/** Tries to take the lock; a second one is needed only when another process removed a stale lock first. */
const TRIES = 3;

/** Folders that this process holds: its own pid in a lock file says nothing about that. */
const held = new Set<string>();

/**
 * Takes `<folder>/owner.lock` for this process and returns how to give it back. A lock whose process
 * is gone is taken over.
 * @param folder a real path, so that two spellings of one folder are one lock
 * @throws Error naming the folder when a living process, or this one, holds it
 */
export function holdFolder(folder: string): () => void {
  const file = join(folder, 'owner.lock');
  if (held.has(folder)) throw inUse(folder, process.pid);
  const mine = `${process.pid} ${processStart(process.pid)}\n`;
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    if (!createLock(file, mine)) {
      removeStale(file, folder);
      continue;
    }
    held.add(folder);
    return function release() {
      held.delete(folder);
      if (read(file) === mine) rmSync(file, { force: true });
    };
  }
  throw new Error(`The lock ${file} could not be taken: remove it when no Claimline runs on ${folder}.`);
}

/** The lock appears with its text in it (a link to a finished file): nobody ever reads half a lock. */
function createLock(file: string, text: string): boolean {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, text, { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Moves a dead owner's lock aside; two processes that do so at once cannot remove each other's new lock. */
function removeStale(file: string, folder: string): void {
  const text = read(file);
  if (text === undefined) return;
  const [pid = '', start] = text.trim().split(' ');
  const owner = Number(pid);
  const isAlive = owner > 0 && owner !== process.pid && processStart(owner) === start;
  if (isAlive) throw inUse(folder, owner);

  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
    if (read(aside) !== text) linkSync(aside, file);
  } catch {
    // Somebody else was quicker; the next try sees what they left.
  } finally {
    rmSync(aside, { force: true });
  }
}

function inUse(folder: string, pid: number): Error {
  return new Error(
    `Another Claimline (process ${pid}) is running on ${folder}: stop it, or set DATA_DIR to another folder.`,
  );
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
