import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that a measurement started, and the only kind it stops. */
export type StartedProcess = {
  name: string;
  pid: number;
  /** Asks it to end, and kills it when it has not within 35 s. */
  stop(): Promise<void>;
  /** Throws with the end of its log when it is no longer running. */
  assertRunning(): void;
};

export type ProcessPlan = {
  name: string;
  command: string;
  args: string[];
  /** Everything the process finds in its environment besides PATH. */
  env?: Record<string, string>;
  folder: string;
};

export const REPOSITORY = resolve(import.meta.dirname, '..');

// A clean environment: the settings of the shell that starts a measurement must not change its figures.
const PATH = '/opt/homebrew/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const STOP_LIMIT_MS = 35_000;
const READY_LIMIT_MS = 30_000;
const READY_POLL_MS = 25;
const LOG_EXCERPT_CHARS = 2000;

/** Starts a process in the repository's root with its output going to `<folder>/<name>.log`. */
export async function startProcess(plan: ProcessPlan): Promise<StartedProcess> {
  const logFile = join(plan.folder, `${plan.name}.log`);
  const log = openSync(logFile, 'a');
  const child = spawn(plan.command, plan.args, {
    cwd: REPOSITORY,
    env: { PATH, NODE_ENV: 'production', ...plan.env },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  await once(child, 'spawn');
  return {
    name: plan.name,
    pid: child.pid!,
    stop: () => stopChild(child),
    assertRunning() {
      if (isRunning(child)) return;
      const excerpt = readFileSync(logFile, 'utf8').slice(-LOG_EXCERPT_CHARS);
      throw new Error(`${plan.name} ended (${child.signalCode ?? child.exitCode}):\n${excerpt}`);
    },
  };
}

/** Starts a TypeScript file of this repository with Node. */
export function startNode(plan: Omit<ProcessPlan, 'command'>): Promise<StartedProcess> {
  return startProcess({ ...plan, command: process.execPath, args: ['--import', 'tsx', ...plan.args] });
}

/** Runs a process to its end; throws with its output when it fails. */
export async function runToEnd(plan: ProcessPlan): Promise<string> {
  const child = spawn(plan.command, plan.args, {
    cwd: REPOSITORY,
    env: { PATH, NODE_ENV: 'production', ...plan.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    errors += text;
  });
  await once(child, 'close');
  if (child.exitCode !== 0)
    throw new Error(`${plan.name} failed: ${(errors || output).slice(-LOG_EXCERPT_CHARS)}`);
  return output;
}

/** Waits until `isReady` says so; throws when the process ends or 30 s have passed. */
export async function waitUntilReady(
  process: StartedProcess,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const deadlineMs = Date.now() + READY_LIMIT_MS;
  while (!(await isReady().catch(() => false))) {
    process.assertRunning();
    if (Date.now() > deadlineMs) throw new Error(`${process.name} was not ready within ${READY_LIMIT_MS} ms`);
    await sleep(READY_POLL_MS);
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  child.kill('SIGTERM');
  await once(child, 'exit');
  clearTimeout(killer);
}
