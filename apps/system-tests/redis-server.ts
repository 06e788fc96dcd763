import { connect } from 'node:net';
import { freePort } from '@claimline/db/free-port';
import { awaitUntil } from './await-until.ts';
import { type Child, startChild } from './child.ts';

/** A Redis of our own, with its data in a folder of ours. */
export interface RedisServer {
  url: string;
  pid: number;
  /** Sends one inline command and answers the raw reply, such as `+OK`. */
  command(line: string): Promise<string>;
  /** Ends it (SIGKILL is a crash, SIGTERM a tidy end) and starts it again on the same port and data. */
  restart(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Ends it until `start`. */
  stop(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  start(): Promise<void>;
}

/** Starts a redis-server on a free port: append-only file on, nothing evicted, as the product demands. */
export async function startRedis(folder: string): Promise<RedisServer> {
  const port = await freePort();
  let child: Child | undefined;
  async function start(): Promise<void> {
    child = startChild('redis', 'redis-server', redisArguments(port, folder));
    await awaitUntil('redis to answer PING', async () => (await sendTo(port, 'PING')).startsWith('+PONG'));
  }
  async function stop(signal: 'SIGKILL' | 'SIGTERM' = 'SIGTERM'): Promise<void> {
    await child?.signal(signal);
  }
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child?.pid ?? 0;
    },
    command: line => sendTo(port, line),
    async restart(signal) {
      await stop(signal);
      await start();
    },
    stop,
    start,
  };
}

function redisArguments(port: number, folder: string): string[] {
  const settings: Record<string, string> = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: 'yes',
    'maxmemory-policy': 'noeviction',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

function sendTo(port: number, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\r\n`));
    socket.once('error', reject);
    socket.once('data', reply => {
      resolve(reply.toString('utf8'));
      socket.end();
    });
  });
}
