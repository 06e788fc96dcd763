import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/**
 * When the process started, as an opaque text, or undefined when no such process lives. A pid alone
 * is not an identity: after a container restarts, the same small pids belong to other processes.
 */
export function processStart(pid: number): string | undefined {
  if (process.platform === 'linux') return linuxStart(pid);
  if (!answersSignals(pid)) return undefined;
  if (process.platform === 'win32') return 'alive';
  return ps(pid, 'lstart=');
}

/**
 * Whether `pid` is the main process of the Postgres whose data is in `dir` (a real path); undefined
 * when there is such a process and we may not look at it.
 */
export function isPostmaster(pid: number, dir: string): boolean | undefined {
  if (processStart(pid) === undefined) return false;
  if (process.platform === 'win32') return undefined;
  if (process.platform !== 'linux') return ps(pid, 'comm=')?.includes('postgres');
  try {
    // A postmaster's working directory is its data directory, so this cannot be another cluster's.
    return readlinkSync(`/proc/${pid}/cwd`) === dir;
  } catch {
    // Root in a container may lack the right to see that; the arguments are open to everybody.
    return isStartedOn(pid, dir);
  }
}

function isStartedOn(pid: number, dir: string): boolean | undefined {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return basename(args[0] ?? '') === 'postgres' && args.includes(dir);
  } catch {
    return undefined;
  }
}

/** A zombie counts as dead: in a container nobody may ever reap an orphan. */
function linuxStart(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets and may hold anything; the state follows it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function ps(pid: number, column: string): string | undefined {
  try {
    return execFileSync('ps', ['-o', column, '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}
