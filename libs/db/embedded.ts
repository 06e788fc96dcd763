import { mkdirSync, realpathSync } from 'node:fs';
import { pause } from '@claimline/kernel/backoff';
import { openCluster } from './embedded-cluster.ts';
import { freePort } from './free-port.ts';
import { holdFolder } from './owner-lock.ts';
import { type Cluster, halt, launch, type Postmaster } from './postmaster.ts';

export type EmbeddedOptions = {
  /** Holds the cluster (`postgres/`), its password, its log and our lock. Created when missing. */
  dataDir: string;
  /** A port of 127.0.0.1; a free one when left out. */
  port?: number;
  /** Postgres settings on top of ours, e.g. `{ fsync: 'off' }`. */
  settings?: Record<string, string>;
  log: (line: string) => void;
  /** Whether Postgres is started again when it ends without being asked to (default true). */
  revive?: boolean;
};

/** A running Postgres. `url` carries the password; `dir` is the cluster's own folder. */
export type Embedded = { url: string; port: number; dir: string; stop(): Promise<void> };

export const embeddedLimits = {
  /** Tries of one start: a free port may be taken by another, a killed Postgres' children linger a moment. */
  startTries: 10,
  startRetryMs: 200,
  /** Starts after an unexpected end that may fail in a row; then it stays down. */
  reviveTries: 20,
  reviveRetryMs: 1000,
} as const;

const defaults: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  // A socket's path may have about 100 characters, and a deep checkout has more.
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %a ',
};

/**
 * Starts a real PostgreSQL that lives in `dataDir`, creating it the first time, and resolves when it
 * accepts connections. One that an earlier run of ours left behind, alive or dead, is replaced.
 * @throws Error naming the folder when another process of ours uses it, or when Postgres does not start
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  mkdirSync(options.dataDir, { recursive: true });
  const dataDir = realpathSync(options.dataDir);
  const release = holdFolder(dataDir);
  try {
    const settings = { ...defaults, ...options.settings };
    const cluster = await openCluster(dataDir, settings.fsync !== 'off');
    const { port, postmaster } = await start(cluster, settings, options.port);
    const watch =
      options.revive === false ? undefined : keepAlive(cluster, postmaster, settings, port, options.log);
    async function end() {
      await watch?.end();
      await halt(cluster);
      release();
    }
    let ended: Promise<void> | undefined;
    return {
      url: `postgres://postgres:${cluster.password}@127.0.0.1:${port}/postgres`,
      port,
      dir: cluster.dir,
      stop() {
        ended ??= end();
        return ended;
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

/** Replaces whatever runs on the folder: an orphan may have another port or other settings. */
async function start(
  cluster: Cluster,
  settings: Record<string, string>,
  wanted: number | undefined,
): Promise<{ port: number; postmaster: Postmaster }> {
  for (let attempt = 1; ; attempt++) {
    await halt(cluster);
    const port = wanted ?? (await freePort());
    try {
      return { port, postmaster: await launch(cluster, { ...settings, port: String(port) }) };
    } catch (error) {
      const text = String(error);
      const isTaken = text.includes('Address already in use');
      const passing = isTaken || text.includes('shared memory block');
      // A killed Postgres' children may hold its port a moment longer.
      if (passing && attempt < embeddedLimits.startTries) {
        await pause(embeddedLimits.startRetryMs);
        continue;
      }
      if (wanted && isTaken)
        throw new Error(`Port ${port} of 127.0.0.1 is taken by another program.`, { cause: error });
      throw error;
    }
  }
}

/** Starts Postgres again, on the same port, whenever it ends by itself. `end` resolves when no start is under way. */
function keepAlive(
  cluster: Cluster,
  first: Postmaster,
  settings: Record<string, string>,
  port: number,
  log: (line: string) => void,
): { end(): Promise<void> } {
  let ended = false;
  let starting: Promise<unknown> | undefined;

  async function revive(failures: number): Promise<void> {
    if (ended) return;
    log(`Postgres ended unexpectedly (its log is ${cluster.logFile}); starting it again.`);
    try {
      watch((await start(cluster, settings, port)).postmaster);
    } catch (error) {
      log(String(error));
      if (failures + 1 >= embeddedLimits.reviveTries) return log('Postgres stays down.');
      await pause(embeddedLimits.reviveRetryMs);
      await revive(failures + 1);
    }
  }
  function watch(postmaster: Postmaster): void {
    void postmaster.exited.then(() => {
      starting = revive(0);
    });
  }
  watch(first);
  return {
    async end() {
      ended = true;
      await starting;
    },
  };
}
