import { requestLogLimits } from '@claimline/http/request-log';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { atMost, awaitUntil } from '../system-tests/await-until.ts';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let api: Process;
let base: string;
beforeAll(async () => {
  database = await createProcessDatabase();
  api = startProcess('api', { DATABASE_URL: database.url, PORT: '0' });
  base = await api.ready;
});
afterAll(async () => {
  await api.stop();
  await database.drop();
});

const requestLines = () => api.log().filter(line => line.msg === 'request');

test('a line a request: its id, what was asked, what was answered', async () => {
  const asked: [string, string, number][] = [
    ['GET', '/health', 200],
    ['GET', '/api/coupons/nowhere', 404],
    ['POST', '/api/coupons', 400],
    ['PATCH', '/api/coupons/nowhere', 415],
    ['GET', '/docs', 200],
  ];
  for (const [i, [method, path]] of asked.entries())
    await fetch(`${base}${path}?secret=hunter2`, {
      method,
      headers: {
        'x-request-id': `asked-${i}`,
        authorization: 'Bearer hunter2',
        'content-type': method === 'PATCH' ? 'text/plain' : 'application/json',
      },
      ...(method !== 'GET' && { body: '{"name":"hunter2"' }),
    });
  await awaitUntil('the lines', () => requestLines().length === asked.length);
  for (const [i, [method, path, status]] of asked.entries()) {
    const line = requestLines().find(found => found.request_id === `asked-${i}`);
    expect(line).toMatchObject({ level: 'info', service: 'api', method, path, status });
    expect(line?.duration_ms).toBeGreaterThanOrEqual(0);
    expect(Date.parse(String(line?.time))).toBeGreaterThan(Date.now() - 60_000);
  }
  expect(api.stdout()).not.toContain('hunter2');
});

test('a code, a ticket, the reference of a booking and the id of a reservation are in no line', async () => {
  const before = requestLines().length;
  const secret = 'HUNTER-2345';
  for (const path of [
    `codes/${secret}`,
    `tickets/tkt_${secret}`,
    `tickets/${secret}/events`,
    `bookings/${secret}`,
    `reservations/rsv_${secret}`,
  ])
    await fetch(`${base}/api/${path}`);
  await fetch(`${base}/api/reservations/rsv_${secret}/booking`, { method: 'POST' });
  await fetch(`${base}/api/codes/%48UNTER-2345/audit`);
  await awaitUntil('the lines', () => requestLines().length === before + 7);
  expect(
    requestLines()
      .slice(before)
      .map(({ path }) => path),
  ).toEqual([
    '/api/codes/{code}',
    '/api/tickets/{ticket}',
    '/api/tickets/{ticket}/events',
    '/api/bookings/{reference}',
    '/api/reservations/{id}',
    '/api/reservations/{id}/booking',
    '/api/codes/{code}/audit',
  ]);
  expect(api.stdout()).not.toContain('UNTER-2345');
});

test('what a caller sends cannot make a line of its own', async () => {
  const before = requestLines().length;
  const path = '/api/coupons/%0A%7B%22level%22%3A%22fatal%22%7D%E2%80%A8%1B[31m';
  await fetch(`${base}${path}`, { headers: { 'x-request-id': 'forged' } });
  await awaitUntil('the line', () => requestLines().length === before + 1);
  expect(requestLines().at(-1)).toMatchObject({ request_id: 'forged', status: 404 });
  expect(api.log().filter(line => line.level === 'fatal')).toEqual([]);
});

test('a stampede is counted instead, and the counts are exact', async () => {
  const linesBefore = requestLines().length;
  const stampede = 1500;
  const startedMs = performance.now();
  await atMost(32, Array.from({ length: stampede }), () =>
    fetch(`${base}/livez`).then(answer => answer.text()),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const counted = () => {
    const skipped = api.log().filter(line => line.msg === 'requests not logged');
    return skipped.reduce((sum, line) => sum + Number(line.skipped), 0);
  };
  const written = () => requestLines().length - linesBefore;
  await awaitUntil('every request to be a line or a count', () => written() + counted() === stampede);
  expect(written()).toBeLessThanOrEqual((Math.ceil(seconds) + 1) * requestLogLimits.linesPerSecond);
  expect(counted()).toBeGreaterThan(0);
});

test('LOG_LEVEL=warn leaves out what went well', async () => {
  const quiet = startProcess('api', {
    DATABASE_URL: database.url,
    PORT: '0',
    LOG_LEVEL: 'warn',
    PAYMENT_MOCK: 'off',
  });
  await fetch(`${await quiet.ready}/health`);
  await quiet.stop();
  expect(quiet.log().map(line => line.level)).toEqual(['warn']); // That there is no key.
});
