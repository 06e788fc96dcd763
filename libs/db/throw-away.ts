import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Embedded, startEmbedded } from './embedded.ts';
import { closePool, openPool, type Sql } from './pool.ts';

/** What a throw-away Postgres runs with: nothing in it has to survive a power cut. */
const settings: Record<string, string> = {
  fsync: 'off',
  full_page_writes: 'off',
  shared_buffers: '64MB',
  autovacuum: 'off',
};

/** An embedded Postgres in a temporary folder, for tests and tools. */
export type ThrowAway = {
  url: string;
  port: number;
  /** The cluster's folder. */
  dir: string;
  /** Stops it, if it still runs, and starts it on the same port. */
  restart(): Promise<void>;
  /** Stops it and removes its folder. */
  stop(): Promise<void>;
};

/** Starts an embedded Postgres in a temporary folder of its own; it stays down when it is killed. */
export async function startThrowAway(): Promise<ThrowAway> {
  const dataDir = mkdtempSync(join(tmpdir(), 'claimline-db-'));
  endWithUs(dataDir);
  const options = { dataDir, settings, revive: false, log: () => {} };
  let running: Embedded = await startEmbedded(options);
  const { url, port, dir } = running;
  return {
    url,
    port,
    dir,
    async restart() {
      await running.stop();
      running = await startEmbedded({ ...options, port });
    },
    async stop() {
      await running.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/**
 * Kills the Postgres and removes the folder when this process ends in any way, kill -9 included: a
 * shell in a session of its own reads from us until that ends.
 */
function endWithUs(dataDir: string): void {
  if (process.platform === 'win32') return;
  const script =
    'cat; pid=$(head -n 1 "$0/postgres/postmaster.pid") && kill -9 "$pid" && sleep 1; rm -rf "$0"';
  const child = spawn('/bin/sh', ['-c', script, dataDir], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
}

/** Runs statements such as `create database` on a connection of their own. */
export async function asAdmin<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = openPool({ url, applicationName: 'claimline admin', max: 1, statementTimeoutMs: 60_000 });
  try {
    return await work(sql);
  } finally {
    await closePool(sql, 1);
  }
}

/** The URL of another database on the same server. */
export function withDatabase(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${encodeURIComponent(database)}`;
  return other.href;
}
