import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@claimline/db/free-port';
import { pause } from '@claimline/kernel/backoff';
import { Redis } from 'ioredis';

const redisStartMs = 10_000;

/** A redis-server of a test's own, with its data in a temporary folder. */
export type TestRedis = {
  url: string;
  /** Runs one command and answers its reply. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
  stop(): Promise<void>;
};

/** Starts a redis-server on a free port; `settings` overrule those that the product demands. */
export async function startTestRedis(settings: Record<string, string> = {}): Promise<TestRedis> {
  const dir = mkdtempSync(join(tmpdir(), 'claimline-redis-'));
  const port = await freePort();
  const all = {
    port: String(port),
    bind: '127.0.0.1',
    dir,
    save: '',
    'maxmemory-policy': 'noeviction',
    ...settings,
  };
  const server = spawn(
    'redis-server',
    Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>(resolve => server.once('exit', () => resolve()));
  const redis = new Redis(`redis://127.0.0.1:${port}`, { retryStrategy: () => 20 });
  redis.on('error', () => {}); // Until the server listens, connections are refused.
  await Promise.race([
    redis.ping(),
    ended.then(() => Promise.reject(new Error('redis-server ended at once'))),
    pause(redisStartMs).then(() => Promise.reject(new Error('redis-server did not answer'))),
  ]);
  return {
    url: `redis://127.0.0.1:${port}`,
    command: (name, ...args) => redis.call(name, ...args),
    async stop() {
      redis.disconnect();
      server.kill('SIGKILL');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
