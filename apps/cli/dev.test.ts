import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@claimline/db/free-port';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { awaitUntil } from '../system-tests/await-until.ts';
import { createProcessDatabase } from '../testing.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const startMs = 40_000;
const stopMs = 30_000;
const json = { 'content-type': 'application/json' };

let dataDir: string;
let port: number;
/** Whatever a test has started, to be gone in the end even when it fails. */
const started: ChildProcess[] = [];
const seen = new Set<number>();

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'claimline-dev-'));
  port = await freePort();
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  for (const pid of seen) if (isAlive(pid, /apps\/|postgres/)) process.kill(pid, 'SIGKILL');
  seen.clear();
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

/** `npm start`, what it runs, or an API alone, in a process group of its own as a terminal would have it. */
function startDev(how: 'npm' | 'node' | 'api', settings: Record<string, string> = {}) {
  const [program, args] = {
    npm: ['npm', ['start']] as const,
    node: [process.execPath, ['--import', 'tsx', 'apps/cli/main.ts', 'dev']] as const,
    api: ['npm', ['run', 'api']] as const,
  }[how];
  // Empty values hide whatever a developer has in .env.
  const own = Object.fromEntries(
    ['DATABASE_URL', 'REDIS_URL', 'OPERATOR_KEY', 'HOST', 'LOG_LEVEL'].map(name => [name, '']),
  );
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, ...own, PORT: String(port), DATA_DIR: dataDir, ...settings },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', chunk => (text += chunk));
  const exited = new Promise<{ code: number | null; signal: string | null }>(resolve =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  /** The processes that said so in the log, oldest first. */
  const pidsOf = (service: string) => {
    const pids = [...text.matchAll(new RegExp(`"service":"${service}","pid":(\\d+)`, 'g'))].map(match =>
      Number(match[1]),
    );
    for (const pid of pids) seen.add(pid);
    return [...new Set(pids)];
  };
  return {
    child,
    exited,
    said: () => text,
    pidsOf,
    async ready() {
      await awaitUntil('the banner', () => text.includes('Claimline is ready at'), startMs).catch(error => {
        throw new Error(text, { cause: error });
      });
      const all = [...pidsOf('api'), ...pidsOf('worker'), postgresPid()];
      seen.add(postgresPid());
      return all;
    },
  };
}

function postgresPid(): number {
  return Number.parseInt(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10);
}

/** Whether it runs, and is what it was; a dead process that its parent has not fetched yet is gone. */
function isAlive(pid: number, command = /./): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=,args=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.startsWith('Z') && command.test(stdout);
}

/** The pid of the supervising node process below npm. */
function nodeBelow(pid: number): number {
  const { stdout } = spawnSync('ps', ['-e', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' });
  const rows = stdout.split('\n').map(line => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []);
  for (let parent = pid; ; ) {
    const [, child, , args = ''] = rows.find(([, , ppid]) => Number(ppid) === parent) ?? [];
    if (child === undefined) throw new Error(`nothing runs below process ${pid}`);
    if (args.includes('apps/cli/main.ts dev') && !args.startsWith('sh ')) return Number(child);
    parent = Number(child);
  }
}

const address = (path: string) => `http://127.0.0.1:${port}${path}`;
const post = (path: string, body: unknown, headers = {}) =>
  fetch(address(path), { method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) });

async function claim(user: string): Promise<unknown> {
  const answer = await post('/api/coupons/FIRST/claims', { user_id: user }, { prefer: 'wait=20' });
  return ((await answer.json()) as { status: unknown }).status;
}

async function goneWithin(pids: number[], withinMs: number) {
  await awaitUntil(`${pids} to be gone`, () => pids.every(pid => !isAlive(pid)), withinMs);
}

describe.sequential('npm start', () => {
  test(
    'runs everything, says how to try it, and stops all of it when npm is told to',
    async () => {
      const npm = startDev('npm');
      const pids = await npm.ready();
      expect(npm.said()).toContain(address(''));
      expect((await post('/api/coupons', { name: 'FIRST', amount: 100 })).status).toBe(201);
      expect(await claim('ada')).toBe('granted');

      const second = startDev('node');
      expect(await second.exited).toEqual({ code: 1, signal: null });
      const lines = second.said().trim().split('\n');
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatch(
        /^Another Claimline \(process \d+\) is running on .*: stop it, or set DATA_DIR/,
      );
      expect(lines[0]).toContain(dataDir);

      pids.push(nodeBelow(npm.child.pid!));
      npm.child.kill('SIGTERM');
      const { code, signal } = await npm.exited;
      expect([0, 143, null]).toContain(code);
      expect([null, 'SIGTERM']).toContain(signal);
      expect(pids.filter(pid => isAlive(pid))).toEqual([]);
      expect(npm.said().match(/"msg":"stopped"/g)).toHaveLength(2);
    },
    startMs + stopMs,
  );

  test(
    'starts a killed worker or API again, and Ctrl-C stops all in order',
    async () => {
      const npm = startDev('npm');
      await npm.ready();
      process.kill(npm.pidsOf('worker')[0]!, 'SIGKILL');
      expect(await claim('grace')).toBe('granted');
      process.kill(npm.pidsOf('api')[0]!, 'SIGKILL');
      await awaitUntil('the API to be back', async () => (await fetch(address('/health'))).ok);
      expect(await claim('barbara')).toBe('granted');
      expect([npm.pidsOf('api').length, npm.pidsOf('worker').length]).toEqual([2, 2]);
      expect(npm.said()).toContain('worker ended with a signal, starting it again');

      const pids = [...npm.pidsOf('api'), ...npm.pidsOf('worker'), postgresPid(), nodeBelow(npm.child.pid!)];
      process.kill(-npm.child.pid!, 'SIGINT'); // What a terminal does: everybody in the group gets it.
      const { code, signal } = await npm.exited;
      expect([0, 130, null]).toContain(code);
      expect([null, 'SIGINT']).toContain(signal);
      await goneWithin(pids, stopMs);
      expect(npm.said().lastIndexOf('"service":"api"')).toBeLessThan(
        npm.said().lastIndexOf('"service":"worker"'),
      );
    },
    startMs + stopMs,
  );

  test(
    'killed by force, it leaves no API or worker behind, and the next start works at once',
    async () => {
      const killed = startDev('node');
      await killed.ready();
      const left = [...killed.pidsOf('api'), ...killed.pidsOf('worker')];
      killed.child.kill('SIGKILL');
      await goneWithin(left, stopMs);
      expect(killed.said()).toContain('the parent is gone');

      const next = startDev('node');
      const pids = await next.ready();
      const coupon = (await (await fetch(address('/api/coupons/FIRST'))).json()) as { claimed_by: string[] };
      expect(coupon.claimed_by).toEqual(['ada', 'grace', 'barbara']);
      expect(await claim('edsger')).toBe('granted');
      next.child.kill('SIGTERM');
      expect(await next.exited).toEqual({ code: 0, signal: null });
      expect(pids.filter(pid => isAlive(pid))).toEqual([]);
    },
    startMs + stopMs,
  );

  test(
    'told to stop while it is starting, it stops',
    async () => {
      const early = startDev('node');
      await awaitUntil('the migrations', () => early.said().includes('migrate: '), startMs);
      early.child.kill('SIGTERM');
      expect(await early.exited).toEqual({ code: 0, signal: null });
      expect([...early.pidsOf('api'), ...early.pidsOf('worker')].filter(pid => isAlive(pid))).toEqual([]);
      expect(() => postgresPid()).toThrow('ENOENT');
    },
    startMs + stopMs,
  );
});

test(
  'a signal that an API gets from its process group and once more from npm is one: what is under way is finished',
  async () => {
    const database = await createProcessDatabase();
    const api = startDev('api', { DATABASE_URL: database.url });
    await awaitUntil('the API', () => api.said().includes('"msg":"listening"'), startMs);
    const [pid] = api.pidsOf('api');
    expect((await post('/api/coupons', { name: 'WAITS', amount: 1 })).status).toBe(201);
    const waiting = post('/api/coupons/WAITS/claims', { user_id: 'ada' }, { prefer: 'wait=20' });
    await awaitUntil('the claim to be in line', async () => {
      const line = await fetch(address('/api/coupons/WAITS/line'));
      return ((await line.json()) as { in_line: number }).in_line === 1;
    });
    process.kill(-api.child.pid!, 'SIGTERM'); // What a service manager does.
    process.kill(pid!, 'SIGTERM'); // What npm does as well, sooner or later.
    expect((await waiting).status).toBe(202);
    expect(await api.exited).toEqual({ code: 0, signal: null });
    expect(api.said()).toContain('"msg":"stopped"');
    await database.drop();
  },
  startMs + stopMs,
);
