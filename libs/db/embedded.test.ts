import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Embedded, startEmbedded } from './embedded.ts';
import { livingPid } from './postmaster.ts';
import { asAdmin } from './throw-away.ts';

const settings = { fsync: 'off', shared_buffers: '16MB' };
const isRoot = process.getuid?.() === 0;

let folder: string;
let running: Embedded[];
let children: ChildProcess[];
let lines: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'claimline-embedded-'));
  chmodSync(folder, 0o755);
  [running, children, lines] = [[], [], []];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const each of running) await each.stop();
  const orphan = livingPid(join(folder, 'postgres'));
  if (orphan) process.kill(orphan, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: Partial<Parameters<typeof startEmbedded>[0]> = {}): Promise<Embedded> {
  const started = await startEmbedded({
    dataDir: folder,
    settings,
    log: line => lines.push(line),
    ...options,
  });
  running.push(started);
  return started;
}

/** Another process that runs a Postgres on the folder, ready to be killed. */
async function startElsewhere(): Promise<ChildProcess> {
  const program = `
    import { startEmbedded } from ${JSON.stringify(new URL('./embedded.ts', import.meta.url).href)};
    const { url } = await startEmbedded(${JSON.stringify({ dataDir: folder, settings })});
    console.log(url);
    setInterval(() => {}, 1000);`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  children.push(child);
  await once(child.stdout!, 'data');
  return child;
}

test('keeps data and password from one start to the next', async () => {
  const first = await start();
  await asAdmin(first.url, sql => sql`create table kept as select 42 as answer`);
  await first.stop();
  expect(livingPid(first.dir)).toBeUndefined();
  const second = await start();
  expect(await asAdmin(second.url, sql => sql`select answer from kept`)).toEqual([{ answer: 42 }]);
  expect(new URL(second.url).password).toBe(new URL(first.url).password);
});

test('is UTF-8, waits for the disk by default, and listens on loopback only', async () => {
  const { url } = await start({ settings: { shared_buffers: '16MB' } });
  const [row] = await asAdmin(
    url,
    sql => sql`
      select current_setting('server_encoding') as encoding, current_setting('fsync') as fsync,
             current_setting('listen_addresses') as addresses, upper('éä') as upper`,
  );
  expect(row).toEqual({ encoding: 'UTF8', fsync: 'on', addresses: '127.0.0.1', upper: 'ÉÄ' });
  expect(statSync(join(folder, 'postgres.password')).mode & 0o777).toBe(0o600);
});

test('asks for the password', async () => {
  const { url } = await start();
  const wrong = new URL(url);
  wrong.password = 'wrong';
  await expect(asAdmin(wrong.href, sql => sql`select 1`)).rejects.toMatchObject({ code: '28P01' });
});

test('refuses a folder that another process of ours uses, and names it', async () => {
  await startElsewhere();
  await expect(start()).rejects.toThrow(`is running on ${folder}`);
});

test('refuses a folder that this process uses already', async () => {
  await start();
  await expect(start()).rejects.toThrow(folder);
});

test('replaces the Postgres that a killed run left alive', async () => {
  const owner = await startElsewhere();
  const orphan = livingPid(join(folder, 'postgres'));
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  expect(livingPid(join(folder, 'postgres'))).toBe(orphan);

  const { url, dir } = await start();
  expect(livingPid(dir)).not.toBe(orphan);
  expect(await asAdmin(url, sql => sql`select 1 as one`)).toEqual([{ one: 1 }]);
});

test('starts on what a crash left, even where its pid belongs to another process now', async () => {
  const first = await start({ revive: false });
  process.kill(livingPid(first.dir)!, 'SIGKILL');
  await expect.poll(() => livingPid(first.dir)).toBeUndefined();
  const left = readFileSync(join(first.dir, 'postmaster.pid'), 'utf8');
  await first.stop();
  writeFileSync(join(first.dir, 'postmaster.pid'), left.replace(/^\d+/, String(process.pid)));
  writeFileSync(join(folder, 'owner.lock'), `${process.ppid} 1\n`);
  await start();
});

test('starts over when the first start was killed half way', async () => {
  mkdirSync(join(folder, 'postgres.new', 'base'), { recursive: true });
  await start();
  expect(existsSync(join(folder, 'postgres.new'))).toBe(false);
});

test('comes back on the same port when it is killed', async () => {
  const { url, dir } = await start();
  const before = livingPid(dir)!;
  process.kill(before, 'SIGKILL');
  await expect
    .poll(() => livingPid(dir) !== before && asAdmin(url, sql => sql`select 1`).catch(() => []), {
      timeout: 10_000,
    })
    .toHaveLength(1);
  expect(lines.join()).toContain('ended unexpectedly');
});

test('names a port that is taken', async () => {
  const other = createServer();
  await once(other.listen(0, '127.0.0.1'), 'listening');
  const { port } = other.address() as { port: number };
  await expect(start({ port })).rejects.toThrow(`Port ${port}`);
  other.close();
});

test.runIf(process.platform === 'linux')(
  'has a session of its own, so that Ctrl-C does not reach it',
  async () => {
    const { dir } = await start();
    const pid = livingPid(dir)!;
    const [group, session] = execFileSync('ps', ['-o', 'pgid=,sid=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/)
      .map(Number);
    expect([group, session]).toEqual([pid, pid]);
  },
);

test.runIf(isRoot)('runs as another user under root, also below a folder that is closed to it', async () => {
  const closed = join(folder, 'closed');
  for (const dataDir of [join(folder, 'open'), join(closed, 'deep', '.data')]) {
    mkdirSync(dataDir, { recursive: true });
    chmodSync(folder, 0o755);
    if (dataDir.startsWith(closed)) chmodSync(closed, 0o700);
    const { url, dir } = await start({ dataDir });
    expect(statSync(`/proc/${livingPid(dir)}`).uid).not.toBe(0);
    await asAdmin(url, sql => sql`create table t as select generate_series(1, 1000)`);
    await asAdmin(url, sql => sql`checkpoint`);
  }
});
