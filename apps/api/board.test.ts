import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openChanges } from '@claimline/db/changes';
import { closePool, openPool } from '@claimline/db/pool';
import { type Engine, Poison } from '@claimline/queue/engine';
import { openEngine } from '@claimline/queue/open';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awaitUntil } from '../system-tests/await-until.ts';
import { redisAvailable } from '../system-tests/redis-available.ts';
import { startRedis } from '../system-tests/redis-server.ts';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

const json = { 'content-type': 'application/json' };
/** A name that would break an address or a page. */
const awkward = 'Früh & Spät / <b>%2F?#\u{1D4D0}';

type BoardJob = { id: string; failedReason?: string; processedOn?: number };
type BoardLane = {
  name: string;
  displayName: string;
  description: string;
  counts: Record<string, number>;
  jobs: BoardJob[];
  isPaused: boolean;
};

describe.each(['postgres', 'redis'] as const)('on %s', kind => {
  describe.skipIf(kind === 'redis' && !redisAvailable)('the board', () => {
    const closers: (() => Promise<unknown>)[] = [];
    let env: Record<string, string>;
    let engine: Engine;
    let readOnly: string;
    let writable: string;

    beforeAll(async () => {
      const database = await createProcessDatabase();
      closers.push(() => database.drop());
      const folder = await mkdtemp(join(tmpdir(), 'claimline-board-'));
      closers.push(() => rm(folder, { recursive: true, force: true }));
      const redis = kind === 'redis' ? await startRedis(folder) : undefined;
      if (redis) closers.push(() => redis.stop('SIGKILL'));
      env = { DATABASE_URL: database.url, PORT: '0', ...(redis && { REDIS_URL: redis.url }) };

      const sql = openPool({ url: database.url, applicationName: 'board test' });
      closers.push(() => closePool(sql, 1));
      const onError = (error: unknown) => void process.stderr.write(`${String(error)}\n`);
      const changes = await openChanges({ url: database.url, applicationName: 'board test', onError });
      closers.push(() => changes.close());
      engine = await openEngine({
        redisUrl: redis?.url,
        databaseUrl: database.url,
        sql,
        changes,
        side: 'working',
        connectionsMost: 5,
        onError,
      });
      closers.push(() => engine.close());
      const apis = [start('api', {}), start('api', { BOARD_WRITABLE: 'on' })] as const;
      readOnly = await apis[0].ready;
      writable = await apis[1].ready;
    });
    afterAll(async () => {
      for (const close of closers.reverse()) await close();
    });

    function start(app: 'api' | 'worker', more: Record<string, string>): Process {
      const started = startProcess(app, { ...env, ...more });
      closers.push(() => started.stop());
      return started;
    }
    async function claim(coupon: string, user: string): Promise<string> {
      await fetch(`${writable}/api/coupons`, {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ name: coupon, amount: 10 }),
      });
      const answer = await fetch(`${writable}/api/coupons/${encodeURIComponent(coupon)}/claims`, {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ user_id: user }),
      });
      expect(answer.status).toBe(202);
      return ((await answer.json()) as { ticket: string }).ticket;
    }
    async function lanes(query = ''): Promise<BoardLane[]> {
      const answer = await fetch(`${writable}/queues/api/queues${query}`);
      expect(answer.status).toBe(200);
      return ((await answer.json()) as { queues: BoardLane[] }).queues;
    }
    /** The board shows the roster as it was up to a second ago. */
    function shown(coupon: string, is: (lane: BoardLane) => boolean, query = ''): Promise<BoardLane> {
      const find = async () =>
        (await lanes(query)).find(lane => lane.displayName.slice(2) === coupon && is(lane));
      return awaitUntil(`${coupon} on the board`, find);
    }
    /** Fails the lane's jobs as a worker would, and leaves the lane closed and not wanted. */
    async function failJobs(lane: string, count: number) {
      await awaitUntil('the lane to be free', async () =>
        (await engine.roster.take('test', 60_000, 100)).includes(lane),
      );
      let dead = 0;
      const opened = engine.openLane(lane, {
        inHand: 1,
        handle: async () => {
          throw new Poison('made to fail');
        },
        onDead: async () => void dead++,
        onError: () => {},
      });
      await awaitUntil('the jobs to fail', () => dead === count);
      await opened.close();
      await engine.roster.leave('test', lane, 0);
    }
    const write = (method: string, path: string, headers: Record<string, string>, base = writable) =>
      fetch(`${base}/queues/api/queues/${path}`, { method, headers: { origin: base, ...headers } });

    test('shows lanes by the names of their coupons, with their jobs, open ones marked', async () => {
      await claim('shown', 'ada');
      const waiting = await shown('shown', lane => lane.counts.waiting === 1);
      expect(waiting.displayName).toBe('○ shown');
      expect(waiting.description).toMatch(/^Closed lane claims\./);
      expect(waiting.name).toMatch(/^shown~[0-9a-f]{8}$/);

      await engine.roster.take('test', 60_000, 100);
      expect((await shown('shown', lane => lane.displayName.startsWith('●'))).description).toMatch(/^Open/);
      const lane = waiting.description.replace('Closed lane ', '');
      await engine.queue(lane).pause();
      const paused = await shown('shown', found => found.isPaused);
      expect(paused.counts.waiting).toBe(1);
      await engine.queue(lane).resume();
      await engine.roster.handOver('test', [lane]);
    });

    test('a name of any text has an address of its own', async () => {
      await claim(awkward, 'ada');
      const { name } = await shown(awkward, () => true);
      expect(name).toMatch(/^[\p{L}\p{N}~-]+$/u);
      const lane = await shown(
        awkward,
        found => found.jobs.length === 1,
        `?activeQueue=${encodeURIComponent(name)}&status=waiting`,
      );
      const { id } = lane.jobs[0]!;
      const path = `${encodeURIComponent(name)}/${encodeURIComponent(id)}`;
      expect((await fetch(`${writable}/queues/api/queues/${path}`)).status).toBe(200);
      expect((await fetch(`${writable}/queues/queue/${path}`)).status).toBe(200);
    });

    test('the page asks no other host for anything', async () => {
      const page = await fetch(`${writable}/queues`);
      const html = await page.text();
      expect(html).toContain('Claimline lanes');
      expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(page.headers.get('content-security-policy')).not.toMatch(/https?:|\*|unsafe-eval/);
      const assets = [...html.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(match => match[1]);
      expect(assets.length).toBeGreaterThan(3);
      for (const asset of assets)
        expect((await fetch(`${writable}/queues/${asset}`)).status, asset).toBe(200);
    });

    test('a retried job runs, though nobody had its lane open', async () => {
      const ticket = await claim('retried', 'grace');
      const { name, description } = await shown('retried', lane => lane.counts.waiting === 1);
      await failJobs(description.replace('Closed lane ', ''), 1);
      const worker = start('worker', {});
      await worker.ready;
      const failed = await shown(
        'retried',
        lane => lane.counts.failed === 1,
        `?activeQueue=${name}&status=failed`,
      );
      expect(failed.jobs[0]?.failedReason).toBe('made to fail');
      expect(failed.displayName).toBe('○ retried');

      const path = `${name}/${encodeURIComponent(failed.jobs[0]!.id)}/retry`;
      expect((await write('PUT', path, {})).ok).toBe(true);
      const granted = async () => {
        const read = await fetch(`${writable}/api/tickets/${ticket}`);
        return ((await read.json()) as { status: string }).status === 'granted';
      };
      await awaitUntil('the claim to be granted', granted);
      expect((await shown('retried', lane => lane.counts.completed === 1)).counts.failed).toBe(0);

      // A job that can never succeed fails at once and holds nobody up.
      const lane = description.replace('Closed lane ', '');
      await engine.roster.want(lane, 'retried');
      await engine.add(lane, { id: 'malformed', name: 'retried', data: { nonsense: true } });
      await shown('retried', found => found.counts.failed === 1);
      const before = (
        await shown('retried', found => found.jobs.length === 1, `?activeQueue=${name}&status=failed`)
      ).jobs[0]!;
      expect(before.failedReason).toContain('not a claim job');
      expect((await write('PUT', `${name}/malformed/retry`, {})).ok).toBe(true);
      await shown(
        'retried',
        found => (found.jobs[0]?.processedOn ?? 0) > before.processedOn!,
        `?activeQueue=${name}&status=failed`,
      );
      const later = await claim('retried', 'barbara');
      await awaitUntil('a later claim to be granted', async () =>
        (await (await fetch(`${writable}/api/tickets/${later}`)).text()).includes('"granted"'),
      );
    });

    const writes = [
      ['POST', '{lane}/add'],
      ['PUT', 'pause'],
      ['PUT', 'resume'],
      ['PUT', '{lane}/pause'],
      ['PUT', '{lane}/resume'],
      ['PUT', '{lane}/retry/failed'],
      ['PUT', '{lane}/promote'],
      ['PUT', '{lane}/clean/completed'],
      ['PUT', '{lane}/empty'],
      ['PUT', '{lane}/obliterate'],
      ['PUT', '{lane}/concurrency'],
      ['PUT', '{lane}/rate-limit'],
      ['PUT', '{lane}/1/retry'],
      ['PUT', '{lane}/1/clean'],
      ['PATCH', '{lane}/1/update-data'],
      ['DELETE', '{lane}/1'],
    ] as const;

    test.each(writes)('without BOARD_WRITABLE %s %s is refused', async (method, path) => {
      const { name } = await shown('shown', () => true);
      const answer = await write(method, path.replace('{lane}', name), json, readOnly);
      expect(answer.status).toBe(403);
      expect(await answer.json()).toMatchObject({ code: 'forbidden' });
      expect((await shown('shown', () => true)).isPaused).toBe(false);
    });

    test('reading is no writing: it wakes no lane', async () => {
      // Who wants a lane moves it to the front of the list.
      const before = await engine.roster.list(100);
      expect(before.length).toBeGreaterThan(1);
      for (const method of ['GET', 'HEAD'])
        for (const path of ['/queues', '/queues/api/queues'])
          expect((await fetch(writable + path, { method })).status).toBe(200);
      expect((await engine.roster.list(100)).map(({ lane }) => lane)).toEqual(before.map(({ lane }) => lane));
    });

    const foreign: [string, Record<string, string>][] = [
      [
        'a form of another site',
        { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.test' },
      ],
      ['plain text of another site', { 'content-type': 'text/plain', origin: 'https://evil.test' }],
      ['JSON of another site', { ...json, origin: 'https://evil.test' }],
      ['another port', { ...json, origin: 'http://127.0.0.1:1' }],
      ['an opaque origin', { 'content-type': 'text/plain', origin: 'null' }],
      ['what a browser calls cross-site', { ...json, 'sec-fetch-site': 'cross-site' }],
      ['what a browser calls same-site', { ...json, 'sec-fetch-site': 'same-site' }],
    ];

    test.each(foreign)('%s cannot write', async (_, headers) => {
      const { name } = await shown('shown', () => true);
      for (const [method, path] of [
        ['POST', `${name}/add`],
        ['PUT', `${name}/pause`],
        ['PUT', 'pause'],
      ] as const) {
        const answer = await write(method, path, headers);
        expect(answer.status, path).toBe(403);
        expect(await answer.json()).toMatchObject({ code: 'forbidden' });
      }
      expect((await shown('shown', () => true)).isPaused).toBe(false);
    });

    test('a form without an origin cannot write', async () => {
      const { name } = await shown('shown', () => true);
      const headers = { 'content-type': 'text/plain' };
      const answer = await fetch(`${writable}/queues/api/queues/${name}/add`, {
        method: 'POST',
        headers,
        body: '{}',
      });
      expect(answer.status).toBe(403);
    });

    test('every answer has a request id and may not be framed', async () => {
      for (const path of ['/queues', '/queues/api/queues', '/queues/nothing', '/queues/static/nothing.js']) {
        const { headers } = await fetch(`${writable}${path}`, { headers: { 'x-request-id': 'seen-1' } });
        expect(headers.get('x-request-id'), path).toBe('seen-1');
        expect(headers.get('x-frame-options'), path).toBe('DENY');
        expect(headers.get('x-content-type-options'), path).toBe('nosniff');
      }
    });
  });
});
