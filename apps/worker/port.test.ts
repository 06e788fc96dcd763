import { randomUUID } from 'node:crypto';
import { type AddressInfo, createServer } from 'node:net';
import { freePort } from '@claimline/db/free-port';
import { closePool, openPool } from '@claimline/db/pool';
import { createTestDatabase } from '@claimline/db/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let worker: Process;
let base: string;
beforeAll(async () => {
  database = await createProcessDatabase();
  const port = await freePort();
  worker = startProcess('worker', { DATABASE_URL: database.url, WORKER_PORT: String(port) });
  await worker.ready;
  base = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  await worker.stop();
  await database.drop();
});

test('a worker answers probes and Prometheus, and nothing else', async () => {
  expect(await (await fetch(`${base}/livez`)).json()).toEqual({ status: 'alive' });
  expect(await (await fetch(`${base}/readyz`)).json()).toEqual({ status: 'ready' });
  const metrics = await (await fetch(`${base}/metrics`)).text();
  expect(metrics).toMatch(/^claimline_lanes_open 0$/m);
  expect(metrics).toMatch(/^claimline_pg_notice_25001_total 0$/m);
  for (const path of ['/', '/api/coupons', '/health', '/queues'])
    expect((await fetch(base + path)).status, path).toBe(404);
});

test('without a port of its own it listens on none', async () => {
  const silent = startProcess('worker', { DATABASE_URL: database.url });
  expect(await silent.ready).toBe('');
  expect(await silent.stop()).toEqual({ code: 0, signal: null });
  expect(silent.log().map(line => line.msg)).toEqual(['working', 'stopping', 'stopped']);
});

test('a worker whose port is taken says so, before it takes a lane', async () => {
  const taken = createServer();
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const own = await createProcessDatabase();
  const sql = openPool({ url: own.url, applicationName: 'test port', max: 1 });
  await sql`insert into lanes (lane, label) values (${`claims.${randomUUID()}`}, 'wanted')`;
  const late = startProcess('worker', { DATABASE_URL: own.url, WORKER_PORT: String(port) });
  expect(await late.exited).toEqual({ code: 1, signal: null });
  expect(late.stderr()).toContain(`WORKER_PORT ${port} of 127.0.0.1 is taken by another program`);
  expect(await sql`select owner from lanes`).toEqual([{ owner: null }]);
  await closePool(sql);
  await own.drop();
  taken.close();
});

test.each(['api', 'worker'] as const)('%s without DATABASE_URL says what is missing', async app => {
  const lost = startProcess(app, {});
  expect(await lost.exited).toEqual({ code: 1, signal: null });
  expect(lost.stderr()).toContain('DATABASE_URL is not set');
});

test('a database that was never migrated is refused with what to do', async () => {
  const empty = await createTestDatabase({ empty: true });
  const started = (['api', 'worker'] as const).map(app =>
    startProcess(app, { DATABASE_URL: empty.url, PORT: '0' }),
  );
  for (const { exited, stderr } of started) {
    expect((await exited).code).toBe(1);
    expect(stderr()).toMatch(/migrate/);
    expect(stderr().trim().split('\n')).toHaveLength(1);
  }
  await empty.drop();
});
