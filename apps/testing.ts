import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTestDatabase } from '@claimline/db/testing';
import { migrateQueue } from '@claimline/queue/postgres-engine';

/** How a process ended: exactly one of the two is set. */
export type Exit = { code: number | null; signal: NodeJS.Signals | null };

/** A line of a process's JSON log. */
export type LogLine = { level: string; msg: string; [field: string]: unknown };

/** A process of ours under test. It ends with the test's process, since its channel closes then. */
export type Process = {
  pid: number;
  /** Where it listens; empty for a process without a port. Rejects when it ends before it is ready. */
  ready: Promise<string>;
  exited: Promise<Exit>;
  /** What it has written so far. */
  stdout(): string;
  stderr(): string;
  /** The lines of its log. @throws SyntaxError for a line that is not JSON */
  log(): LogLine[];
  /** Sends a signal, SIGTERM when left out, and answers how it ended. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
};

/**
 * Starts `apps/<app>/main.ts` as an operator would, with nothing in its environment but `env`, in a
 * working folder of its own, so that nobody's .env is read.
 */
export function startProcess(
  app: 'api' | 'worker' | 'cli',
  env: Record<string, string>,
  { args = [], cwd }: { args?: string[]; cwd?: string } = {},
): Process {
  const folder = cwd ?? mkdtempSync(join(tmpdir(), 'claimline-cwd-'));
  const child = fork(fileURLToPath(new URL(`${app}/main.ts`, import.meta.url)), args, {
    execArgv: ['--import', import.meta.resolve('tsx')],
    env: { PATH: process.env.PATH, ...env },
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const exited = new Promise<Exit>(resolve => {
    child.once('close', (code, signal) => {
      if (!cwd) rmSync(folder, { recursive: true, force: true });
      resolve({ code, signal });
    });
  });
  const ready = readiness(child, exited, () => `${stdout()}\n${stderr()}`);
  ready.catch(() => {}); // Nobody may be waiting for it.
  return {
    pid: child.pid ?? 0,
    ready,
    exited,
    stdout,
    stderr,
    log: () => parseLog(stdout()),
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return exited;
    },
  };
}

/** A database that is migrated for us and for BullMQ, so that processes can start on it. */
export async function createProcessDatabase() {
  const database = await createTestDatabase();
  await migrateQueue(database.url);
  return database;
}

function readiness(child: ChildProcess, exited: Promise<Exit>, said: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: { ready?: boolean; address?: string }) => {
      if (message.ready) resolve(message.address ?? '');
    });
    void exited.then(({ code, signal }) =>
      reject(new Error(`it ended with ${signal ?? code} before it was ready:\n${said()}`)),
    );
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

function parseLog(text: string): LogLine[] {
  // What follows the last line break is a line that is still being written.
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line));
}
