import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';
import { addressEdges } from './edges-addresses.testsuite.ts';
import { bodyEdges } from './edges-bodies.testsuite.ts';
import { headerEdges } from './edges-headers.testsuite.ts';
import { json } from './testing-requests.ts';

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

addressEdges(() => base);
headerEdges(() => base);
bodyEdges(() => base);

test('every kind of answer has the security headers and an id', async () => {
  const answers = await Promise.all([
    fetch(`${base}/health`),
    fetch(`${base}/nothing`),
    fetch(`${base}/api/coupons`, { method: 'PUT' }),
    fetch(`${base}/api/coupons`, { method: 'POST', headers: json, body: '{' }),
    fetch(`${base}/api/coupons`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{' }),
    fetch(`${base}/api/coupons`, { method: 'HEAD' }),
    fetch(`${base}/api/tickets/x/events`),
    fetch(`${base}/openapi.json`),
    fetch(`${base}/docs`),
    fetch(`${base}/docs/problems`),
    fetch(`${base}/docs/scalar.js`),
    fetch(`${base}/metrics`),
    fetch(`${base}/queues`),
    fetch(`${base}/queues/nothing`),
    fetch(`${base}/queues/api/queues`),
    fetch(`${base}/queues/static/favicon-32x32.png`),
    fetch(`${base}/queues/api/queues/pause`, { method: 'PUT' }),
  ]);
  for (const { url, status, headers } of answers) {
    const about = `${status} ${url}`;
    expect(headers.get('x-request-id'), about).toMatch(/^req_/);
    expect(headers.get('x-content-type-options'), about).toBe('nosniff');
    expect(headers.get('x-frame-options'), about).toBe('DENY');
    expect(headers.get('referrer-policy'), about).toBe('no-referrer');
    expect(headers.get('content-security-policy'), about).toMatch(
      /default-src 'none'.*frame-ancestors 'none'/,
    );
    expect(headers.get('cross-origin-resource-policy'), about).toBe('same-origin');
    expect(headers.get('x-powered-by'), about).toBeNull();
    expect(headers.get('access-control-allow-origin'), about).toBeNull();
    expect(headers.get('cache-control'), about).not.toBeNull();
  }
});

test('none of this was a mistake of ours, or took the process down', async () => {
  expect(await api.stop()).toEqual({ code: 0, signal: null });
  expect(api.log().filter(line => ['error', 'fatal'].includes(line.level))).toEqual([]);
  expect(api.stderr()).toBe('');
});
