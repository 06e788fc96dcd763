import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '@claimline/kernel/backoff';
import type { RunAs } from './embedded-user.ts';
import { isPostmaster, processStart } from './process-identity.ts';

export const postmasterLimits = {
  /** Crash recovery may replay much; after this the start counts as failed. */
  startMs: 300_000,
  /** How often the status of a starting Postgres is read. */
  pollMs: 10,
  /** A clean stop may take this long before it becomes an immediate one. */
  fastStopSeconds: 10,
  immediateStopSeconds: 5,
  /** A killed process is gone at once, unless the disk holds it. */
  killMs: 10_000,
  /** The log is set aside (one generation) at a start that finds it larger. */
  logBytes: 16 * 1024 * 1024,
  /** How much of the log an error carries. */
  logLines: 8,
} as const;

/** A cluster on disk and how to run programs on it. `dir` is a real path. */
export type Cluster = { dir: string; logFile: string; postgres: string; pgCtl: string; runAs: RunAs };

/** A running main process. `exited` resolves when it is gone, for whatever reason. */
export type Postmaster = { pid: number; exited: Promise<void> };

/**
 * Starts Postgres as a child in a session of its own, so that Ctrl-C in our terminal does not reach
 * it, and resolves when it accepts connections. Run directly rather than by `pg_ctl start`, which
 * would pass the settings through a shell and look at the status only ten times a second.
 * @throws Error with the end of the log when it ends before that
 */
export async function launch(cluster: Cluster, settings: Record<string, string>): Promise<Postmaster> {
  const { dir, logFile, runAs } = cluster;
  if ((statSync(logFile, { throwIfNoEntry: false })?.size ?? 0) > postmasterLimits.logBytes)
    renameSync(logFile, `${logFile}.1`);
  const log = openSync(logFile, 'a', 0o600);
  const logStart = statSync(logFile).size;
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [program = '', ...rest] = [...runAs.prefix, cluster.postgres, '-D', dir, ...args];
  const child = spawn(program, rest, {
    ...runAs.ids,
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
    windowsHide: true,
  });
  closeSync(log);

  let failure: Error | undefined;
  let gone = false;
  const exited = new Promise<void>(resolve => {
    const end = (error?: Error) => {
      gone = true;
      failure = error;
      resolve();
    };
    child.once('error', end);
    child.once('exit', () => end());
  });
  const deadline = performance.now() + postmasterLimits.startMs;
  while (!gone && performance.now() < deadline) {
    const now = readPidFile(dir);
    if (now?.pid === child.pid && now?.ready) {
      child.unref();
      return { pid: now!.pid, exited };
    }
    await pause(postmasterLimits.pollMs);
  }
  if (!gone) child.kill('SIGKILL');
  const tail = readFileSync(logFile)
    .subarray(logStart)
    .toString()
    .trim()
    .split('\n')
    .slice(-postmasterLimits.logLines);
  throw new Error(`Postgres did not start on ${dir}:\n${tail.join('\n')}`, { cause: failure });
}

/**
 * Stops the Postgres on the cluster's folder, whoever started it, and resolves when it is gone:
 * cleanly at first, then at once, then by force.
 */
export async function halt(cluster: Cluster): Promise<void> {
  const { dir } = cluster;
  for (const [mode, seconds] of [
    ['fast', postmasterLimits.fastStopSeconds],
    ['immediate', postmasterLimits.immediateStopSeconds],
  ] as const) {
    if (!livingPid(dir)) break;
    await pgCtlStop(cluster, mode, seconds);
  }
  const pid = livingPid(dir);
  if (pid) process.kill(pid, 'SIGKILL');
  for (let waitedMs = 0; livingPid(dir); waitedMs += postmasterLimits.pollMs) {
    if (waitedMs > postmasterLimits.killMs) throw new Error(`Postgres on ${dir} cannot be stopped.`);
    await pause(postmasterLimits.pollMs);
  }
  clearForeignPid(dir);
}

/**
 * Postgres clears the pid file of a dead one by itself, unless the pid lives on as another process, as
 * small pids do in a container that was started again. In doubt the file stays: Postgres will say so.
 */
function clearForeignPid(dir: string): void {
  const pid = readPidFile(dir)?.pid;
  const isForeign = pid && processStart(pid) !== undefined && isPostmaster(pid, dir) === false;
  if (isForeign) rmSync(join(dir, 'postmaster.pid'));
}

function pgCtlStop({ dir, pgCtl, runAs }: Cluster, mode: string, seconds: number): Promise<void> {
  const args = [...runAs.prefix, pgCtl, 'stop', '-D', dir, '-m', mode, '-w', '-t', String(seconds)];
  const [program = '', ...rest] = args;
  return new Promise(resolve => {
    const child = spawn(program, rest, {
      ...runAs.ids,
      cwd: '/',
      detached: true,
      stdio: 'ignore',
      windowsHide: true,
    });
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
}

/** The pid of the Postgres that runs on `dir`, if one does. */
export function livingPid(dir: string): number | undefined {
  const pid = readPidFile(dir)?.pid;
  return pid && isPostmaster(pid, dir) ? pid : undefined;
}

/** postmaster.pid: the first line is the pid, the eighth the status. Postgres writes it line by line. */
function readPidFile(dir: string): { pid: number; ready: boolean } | undefined {
  try {
    const lines = readFileSync(join(dir, 'postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), ready: lines[7]?.trim() === 'ready' };
  } catch {
    return undefined;
  }
}

/** Runs a program of the cluster to its end. @throws Error with what it printed */
export function runToEnd(runAs: RunAs, program: string, args: string[]): void {
  const [command = '', ...rest] = [...runAs.prefix, program, ...args];
  const done = spawnSync(command, rest, { ...runAs.ids, cwd: '/', encoding: 'utf8', windowsHide: true });
  if (done.status === 0) return;
  throw new Error(`${program} failed:\n${done.stdout ?? ''}${done.stderr ?? ''}`, { cause: done.error });
}
