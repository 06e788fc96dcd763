import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { pause } from '@claimline/kernel/backoff';
import { inject } from 'vitest';
import { migrate } from './migrate.ts';
import { livingPid } from './postmaster.ts';
import { asAdmin, startThrowAway, withDatabase } from './throw-away.ts';

/** Tries to copy the template: Postgres refuses while another copy of it is being made. */
const copyTries = 50;
const copyRetryMs = 20;

/** A migrated database of a test's own. */
export type TestDatabase = { url: string; name: string; drop(): Promise<void> };

/**
 * Creates a database by copying the migrated template: about 40 ms.
 * @param empty true for a database without any schema
 */
export async function createTestDatabase({ empty = false } = {}): Promise<TestDatabase> {
  const server = inject('testDatabases');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin(server.url, async sql => {
    const template = empty ? 'template0' : server.template;
    for (let attempt = 1; ; attempt++) {
      try {
        return await sql`create database ${sql(name)} template ${sql(template)}`;
      } catch (error) {
        const inUse = (error as { code?: string }).code === '55006';
        if (!inUse || attempt === copyTries) throw error;
        await pause(copyRetryMs);
      }
    }
  });
  return {
    url: withDatabase(server.url, name),
    name,
    async drop() {
      await asAdmin(server.url, sql => sql`drop database if exists ${sql(name)} with (force)`);
    },
  };
}

/** A Postgres of a test's own, to be mistreated. Its port and URL stay the same across restarts. */
export type TestCluster = {
  url: string;
  /** Brings it (back) up: stops it cleanly, at once (as in a crash) or by force before that, if it runs. */
  restart(mode?: 'fast' | 'immediate' | 'kill'): Promise<void>;
  /** kill -9 of every process of it. It stays down until restart(). */
  kill(): Promise<void>;
  /** Stops all its processes where they are: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Stops it for good and removes it. */
  stop(): Promise<void>;
};

/** Starts a Postgres for this test alone; `migrated` applies our migrations to its database. */
export async function startTestCluster({ migrated = false } = {}): Promise<TestCluster> {
  const cluster = await startThrowAway();
  if (migrated) await migrate({ url: cluster.url });
  let frozen: number[] = [];

  function signalAll(signal: NodeJS.Signals): number[] {
    const main = livingPid(cluster.dir);
    if (!main) return [];
    // The main process first, so that it starts no further children meanwhile.
    process.kill(main, signal);
    const pids = [main, ...childrenOf(main)];
    for (const pid of pids.slice(1)) send(pid, signal);
    return pids;
  }
  function thaw() {
    for (const pid of frozen.splice(0)) send(pid, 'SIGCONT');
  }
  async function end(signal: 'SIGQUIT' | 'SIGKILL') {
    thaw();
    const main = livingPid(cluster.dir);
    if (!main) return;
    if (signal === 'SIGKILL') signalAll(signal);
    else process.kill(main, signal);
    // Until it has been waited for, a new Postgres would take it for one that runs.
    while (livingPid(cluster.dir) || isThere(main)) await pause(5);
  }
  return {
    url: cluster.url,
    async restart(mode = 'fast') {
      thaw();
      if (mode !== 'fast') await end(mode === 'kill' ? 'SIGKILL' : 'SIGQUIT');
      await cluster.restart();
    },
    kill: () => end('SIGKILL'),
    freeze() {
      frozen = signalAll('SIGSTOP');
    },
    thaw,
    stop() {
      thaw();
      return cluster.stop();
    },
  };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
      } catch {
        return false;
      }
    });
}
