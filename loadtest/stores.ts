import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Embedded, startEmbedded } from '@claimline/db/embedded';
import { freePort } from '@claimline/db/free-port';
import { runToEnd, type StartedProcess, startProcess, waitUntilReady } from './process.ts';

const LOOPBACK = '127.0.0.1';

// Durability as in production: a figure without it would compare nothing that anybody runs.
const REDIS_SETTINGS = [
  ['--save', ''],
  ['--appendonly', 'yes'],
  ['--appendfsync', 'everysec'],
  ['--maxmemory-policy', 'noeviction'],
].flat();

/** Starts a Redis on a free port with its data in `<folder>/redis`, and waits until it answers. */
export async function startRedis(folder: string): Promise<{ redis: StartedProcess; url: string }> {
  const port = String(await freePort());
  const dir = join(folder, 'redis');
  mkdirSync(dir);
  const args = ['--port', port, '--bind', LOOPBACK, '--dir', dir, ...REDIS_SETTINGS];
  const redis = await startProcess({ name: 'redis', command: 'redis-server', args, folder });
  const ping = { name: 'ping', command: 'redis-cli', args: ['-h', LOOPBACK, '-p', port, 'ping'], folder };
  await waitUntilReady(redis, async () => (await runToEnd(ping)).startsWith('PONG'));
  return { redis, url: `redis://${LOOPBACK}:${port}/0` };
}

/** Starts a Postgres on a free port with its data in `<folder>/database`; `pid` is its main process. */
export async function startPostgres(folder: string): Promise<{ postgres: Embedded; pid: number }> {
  const log = (line: string) => process.stderr.write(`${line}\n`);
  // Not revived: a database that died in a round must end the measurement.
  const postgres = await startEmbedded({ dataDir: join(folder, 'database'), log, revive: false });
  const pid = Number(readFileSync(join(postgres.dir, 'postmaster.pid'), 'utf8').split('\n')[0]);
  return { postgres, pid };
}
