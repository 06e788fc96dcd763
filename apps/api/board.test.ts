import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redisAvailable, redisRequired } from '../system-tests/redis-available.ts';
import { type BoardStack, openBoardStack } from './testing-board.ts';
import { json } from './testing-requests.ts';

/** A name that would break an address or a page. */
const awkward = 'Früh & Spät / <b>%2F?#\u{1D4D0}';

/** Without a redis-server the Redis half is left out, on a build server it fails. */
const kinds = redisAvailable || redisRequired ? (['postgres', 'redis'] as const) : (['postgres'] as const);

describe.each(kinds)('the board on %s', kind => {
  let stack: BoardStack;
  beforeAll(async () => {
    stack = await openBoardStack(kind);
  });
  afterAll(() => stack?.close());

  test('shows lanes by the names of their coupons, with their jobs, open ones marked', async () => {
    const { claim, shown, engine } = stack;
    await claim('shown', 'ada');
    const waiting = await shown('shown', lane => lane.counts.waiting === 1);
    expect(waiting.displayName).toBe('○ shown');
    expect(waiting.description).toMatch(/^Closed lane claims\./);
    expect(waiting.name).toMatch(/^shown~[0-9a-f]{8}$/);

    await engine.roster.take('test', 60_000, 100);
    const open = await shown('shown', lane => lane.displayName === '● shown');
    expect(open.description).toMatch(/^Open lane/);
    const lane = waiting.description.replace('Closed lane ', '');
    await engine.queue(lane).pause();
    expect((await shown('shown', found => found.isPaused)).counts.waiting).toBe(1);
    await engine.queue(lane).resume();
    await engine.roster.handOver('test', [lane]);
  });

  test('a name of any text has an address of its own', async () => {
    const { claim, shown, writable } = stack;
    await claim(awkward, 'ada');
    const { name } = await shown(awkward);
    expect(name).toMatch(/^[\p{L}\p{N}~-]+$/u);
    const listed = `?activeQueue=${encodeURIComponent(name)}&status=waiting`;
    const [job] = (await shown(awkward, lane => lane.jobs.length === 1, listed)).jobs;
    const path = `${encodeURIComponent(name)}/${encodeURIComponent(job!.id)}`;
    expect((await fetch(`${writable}/queues/api/queues/${path}`)).status).toBe(200);
    expect((await fetch(`${writable}/queues/queue/${path}`)).status).toBe(200);
  });

  test('a retried job runs, though nobody had its lane open', async () => {
    const { claim, shown, write, granted } = stack;
    const ticket = await claim('retried', 'grace');
    const { name, description } = await shown('retried', lane => lane.counts.waiting === 1);
    await stack.failJobs(description.replace('Closed lane ', ''), 1);
    await stack.start('worker').ready;
    const listed = `?activeQueue=${name}&status=failed`;
    const failed = await shown('retried', lane => lane.counts.failed === 1, listed);
    expect(failed.displayName).toBe('○ retried');
    expect(failed.jobs[0]?.failedReason).toBe('made to fail');

    expect((await write('PUT', `${name}/${encodeURIComponent(failed.jobs[0]!.id)}/retry`)).ok).toBe(true);
    await granted(ticket);
    expect((await shown('retried', lane => lane.counts.completed === 1)).counts.failed).toBe(0);
  });

  test.runIf(kind === 'redis')(
    'what the store answers that nobody foresaw is a problem like any other',
    async () => {
      const { claim, shown, engine, writable } = stack;
      await claim('spoiled', 'ada');
      const { description } = await shown('spoiled');
      const lane = description.replace(/^\w+ lane /, '');
      const meta = `{${lane}}:${lane}:meta`;
      const run = (lua: string) => engine.scripts!.load(`test${lua.length}`, lua)([meta], []);
      await run("redis.call('DEL', KEYS[1]); redis.call('SET', KEYS[1], 'no hash')");
      const answer = await fetch(`${writable}/queues/api/queues`);
      expect(answer.status).toBe(500);
      expect(await answer.json()).toMatchObject({ code: 'internal', request_id: expect.any(String) });
      await run("redis.call('DEL', KEYS[1])");
      expect((await fetch(`${writable}/queues/api/queues`)).status).toBe(200);
    },
  );

  test('a job that can never succeed fails again, and holds nobody up', async () => {
    const { claim, shown, write, granted, engine } = stack;
    const { name, description } = await shown('retried');
    const lane = description.replace(/^\w+ lane /, '');
    await engine.roster.want(lane, 'retried');
    await engine.add(lane, { id: 'malformed', name: 'retried', data: { nonsense: true } });
    const listed = `?activeQueue=${name}&status=failed`;
    const [before] = (await shown('retried', found => found.jobs.length === 1, listed)).jobs;
    expect(before!.failedReason).toContain('not a claim job');
    expect((await write('PUT', `${name}/malformed/retry`)).ok).toBe(true);
    const isLater = (found: { processedOn?: number } | undefined) =>
      (found?.processedOn ?? 0) > before!.processedOn!;
    await shown('retried', found => isLater(found.jobs[0]), listed);
    await granted(await claim('retried', 'barbara'));
  });

  test('what cannot be done is said in a sentence', async () => {
    const { name } = await stack.shown('retried');
    const refused = await stack.write('PUT', `${name}/no-such-job/retry`);
    expect(refused.status).toBe(404);
    const again = await stack.write('PUT', `${name}/retry/waiting`);
    expect(again.status).toBe(400);
    for (const address of ['?status=%00', '?activeQueue=%00', '/%00/1', '?activeQueue=%%11', '?status=%A4'])
      expect((await fetch(`${stack.writable}/queues/api/queues${address}`)).status, address).toBe(400);
  });

  test('reading is no writing: it wakes no lane', async () => {
    // Who wants a lane moves it to the front of the list.
    const before = await stack.engine.roster.list(100);
    expect(before.length).toBeGreaterThan(1);
    for (const method of ['GET', 'HEAD'])
      for (const path of ['/queues', '/queues/api/queues'])
        expect((await fetch(stack.writable + path, { method })).status).toBe(200);
    const after = await stack.engine.roster.list(100);
    expect(after.map(({ lane }) => lane)).toEqual(before.map(({ lane }) => lane));
  });
});

describe('the board is safe', () => {
  let stack: BoardStack;
  let name: string;
  beforeAll(async () => {
    stack = await openBoardStack('postgres');
    await stack.claim('safe', 'ada');
    ({ name } = await stack.shown('safe'));
  });
  afterAll(() => stack?.close());

  test.each([
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
  ])('without BOARD_WRITABLE %s %s is refused', async (method, path) => {
    const answer = await stack.write(method, path.replace('{lane}', name), json, stack.readOnly);
    expect(answer.status).toBe(403);
    expect(await answer.json()).toMatchObject({ code: 'forbidden' });
  });

  const evil = 'https://evil.test';
  test.each<[string, Record<string, string>]>([
    ['a form of another site', { 'content-type': 'application/x-www-form-urlencoded', origin: evil }],
    ['plain text of another site', { 'content-type': 'text/plain', origin: evil }],
    ['JSON of another site', { ...json, origin: evil }],
    ['another port', { ...json, origin: 'http://127.0.0.1:1' }],
    ['an opaque origin', { 'content-type': 'text/plain', origin: 'null' }],
    ['what a browser calls cross-site', { ...json, 'sec-fetch-site': 'cross-site' }],
    ['what a browser calls same-site', { ...json, 'sec-fetch-site': 'same-site' }],
  ])('%s cannot write', async (_, headers) => {
    for (const [method, path] of [
      ['POST', `${name}/add`],
      ['PUT', `${name}/pause`],
      ['PUT', 'pause'],
    ] as const) {
      const answer = await stack.write(method, path, headers);
      expect(answer.status, path).toBe(403);
      expect(await answer.json()).toMatchObject({ code: 'forbidden' });
    }
  });

  test('a form without an origin cannot write', async () => {
    const headers = { 'content-type': 'text/plain' };
    const address = `${stack.writable}/queues/api/queues/${name}/pause`;
    expect((await fetch(address, { method: 'PUT', headers })).status).toBe(403);
  });

  test('none of these paused anything, and the page itself may', async () => {
    expect((await stack.shown('safe')).isPaused).toBe(false);
    expect((await stack.write('PUT', `${name}/pause`)).status).toBe(200);
    await stack.shown('safe', lane => lane.isPaused);
    const proxied = await stack.write('PUT', `${name}/resume`, {
      origin: evil,
      'sec-fetch-site': 'same-origin',
    });
    expect(proxied.status).toBe(200); // Behind a proxy Host may be another name; a browser knows better.
  });

  test('the page asks no other host for anything', async () => {
    const page = await fetch(`${stack.writable}/queues`);
    const html = await page.text();
    expect(html).toContain('Claimline lanes');
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
    const policy = page.headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval/);
    const assets = [...html.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(match => match[1]);
    expect(assets.length).toBeGreaterThan(3);
    for (const asset of assets)
      expect((await fetch(`${stack.writable}/queues/${asset}`)).status, asset).toBe(200);
  });

  test('every answer has a request id and may not be framed', async () => {
    for (const path of ['/queues', '/queues/api/queues', '/queues/nothing', '/queues/static/nothing.js']) {
      const { headers } = await fetch(`${stack.writable}${path}`, { headers: { 'x-request-id': 'seen-1' } });
      expect(headers.get('x-request-id'), path).toBe('seen-1');
      expect(headers.get('x-frame-options'), path).toBe('DENY');
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
    }
  });
});
