import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { atMost } from '../system-tests/await-until.ts';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

const SEED = 20_261_120;
const requests = 2000;
const width = 16;

/** What would tell a stranger about the inside. */
const internals =
  /\bat .+:\d+:\d+|node_modules|\.ts\b|\bselect .+ from\b|insert into|bullmq|ioredis|PostgresError|relation "|syntax error/i;

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let api: Process;
let worker: Process;
let base: string;
beforeAll(async () => {
  database = await createProcessDatabase();
  api = startProcess('api', { DATABASE_URL: database.url, PORT: '0' });
  worker = startProcess('worker', { DATABASE_URL: database.url });
  base = await api.ready;
  await worker.ready;
});
afterAll(async () => {
  await Promise.all([api.stop(), worker.stop()]);
  await database.drop();
});

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type Shot = { method: string; path: string; headers: Record<string, string>; body: string | undefined };

/** Makes requests that are near enough to real ones to get past the first check, and wrong somewhere. */
function createGun(random: () => number) {
  const pick = <T>(some: readonly T[]): T => some[Math.floor(random() * some.length)] as T;
  const often = (share: number) => random() < share;
  const noise = () =>
    String.fromCodePoint(...Array.from({ length: 1 + Math.floor(random() * 12) }, codePoint));
  const codePoint = () =>
    pick([
      () => Math.floor(random() * 128),
      () => Math.floor(random() * 0x3000),
      () => 0x1f300 + Math.floor(random() * 500),
    ])();
  const text = (): string =>
    pick([
      () => pick(['fuzz-1', 'fuzz-2', 'fuzz-3', 'ada', 'grace']),
      () =>
        pick([
          "'; drop table coupons; --",
          '%00',
          '../..',
          '{{7*7}}',
          '\\',
          '"',
          '\ud800',
          '__proto__',
          'x'.repeat(300),
        ]),
      noise,
    ])();
  const value = (depth = 0): unknown =>
    pick<() => unknown>([
      text,
      text,
      () => Math.floor(random() * 10),
      () => pick([-1, 0, 1.5, 2_147_483_648, 1e308, Number.MAX_SAFE_INTEGER]),
      () => pick([true, false, null]),
      () =>
        pick([
          '2030-01-01T00:00:00Z',
          '2030-02-30T00:00:00Z',
          '9999-12-31T23:59:59Z',
          '0000-01-01T00:00:00Z',
        ]),
      () => (depth > 3 ? [] : [value(depth + 1), value(depth + 1)]),
      () => (depth > 3 ? {} : { [text()]: value(depth + 1) }),
    ])();
  const fields = [
    'name',
    'amount',
    'user_id',
    'coupon_name',
    'status',
    'starts_at',
    'ends_at',
    'per_user_limit',
    'metadata',
    'discount',
    'callback_url',
    'lock_ttl_seconds',
  ];
  const valid = [
    () => ({ name: pick(['fuzz-1', 'fuzz-2', 'fuzz-3']), amount: 50 }),
    () => ({ user_id: text() }),
    () => ({ user_id: text(), coupon_name: pick(['fuzz-1', 'fuzz-2']) }),
    () => ({ amount: 60 }),
    () => ({}),
  ];
  const object = () => {
    const body: Record<string, unknown> = pick(valid)();
    for (let i = Math.floor(random() * 3); i > 0; i--) body[pick(fields)] = value();
    return body;
  };
  const mangled = (json: string) => {
    const at = Math.floor(random() * json.length);
    return pick([json.slice(0, at), json.slice(0, at) + noise() + json.slice(at), `${json}${json}`, '']);
  };
  const segment = () => pick([encodeURIComponent, (raw: string) => raw])(text().toWellFormed());
  const path = () =>
    pick([
      () => '/api/coupons',
      () => '/api/coupons/claim',
      () => `/api/coupons/${segment()}`,
      () => `/api/coupons/${segment()}/claims`,
      () => `/api/coupons/${segment()}/line`,
      () => `/api/tickets/${pick(['tkt_', ''])}${segment()}`,
      () => `/api/tickets/${segment()}/events`,
      () => `/api/users/${segment()}/claims`,
      () =>
        pick([
          '/health',
          '/livez',
          '/metrics',
          '/docs',
          '/docs/problems',
          '/queues/api/queues',
          '/queues/queue/x',
        ]),
      () => `/${segment()}`,
      () => `/queues/${segment()}`,
    ])();
  const query = () =>
    pick([
      () => '',
      () => `?${pick(['limit', 'cursor', 'status', 'wait', 'activeQueue', 'page'])}=${segment()}`,
      () => `?limit=1&limit=2&cursor=${segment()}`,
      () => '?wait=1',
    ])();
  const headers = (): Record<string, string> => ({
    ...(often(0.9) && {
      'content-type': pick([
        'application/json',
        'application/json; charset=utf-8',
        'text/plain',
        'application/x-www-form-urlencoded',
        'x',
      ]),
    }),
    ...(often(0.1) && { prefer: pick(['wait=1', 'wait=x', 'respond-async', 'wait=0, wait=1']) }),
    ...(often(0.1) && { 'x-request-id': pick(['sane', 'not sane', '"']) }),
    ...(often(0.1) && { authorization: pick(['Bearer x', 'Basic x', 'x']) }),
    ...(often(0.1) && { 'if-none-match': pick(['*', '"x"', 'W/"granted-0"']) }),
  });
  return (): Shot => {
    const method = pick(['GET', 'GET', 'POST', 'POST', 'POST', 'PATCH', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']);
    const json = JSON.stringify(object());
    const body = ['GET', 'HEAD', 'OPTIONS'].includes(method) ? undefined : often(0.8) ? json : mangled(json);
    // Addresses that are none at all are looked at in edges.test.ts.
    const target = `${path()}${query()}`.replaceAll(/[^\x21-\x7e]|\\/gu, encodeURIComponent);
    // Node's client frames the body of a DELETE only when it is told the length.
    const length = { 'content-length': String(Buffer.byteLength(body ?? '')) };
    return { method, path: target, headers: { ...headers(), ...(body !== undefined && length) }, body };
  };
}

type Hit = { status: number; headers: IncomingHttpHeaders; body: string };

function fire(agent: Agent, { method, path, headers, body }: Shot): Promise<Hit> {
  return new Promise((resolve, reject) => {
    const sending = request(base, { agent, method, path, headers }, answer => {
      let text = '';
      answer.setEncoding('utf8').on('data', chunk => (text += chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }),
      );
      answer.on('error', reject);
    });
    sending.on('error', error =>
      reject(new Error(`${method} ${path} ${JSON.stringify(headers)} ${body}: ${error.message}`)),
    );
    sending.end(body);
  });
}

/** What is wrong with an answer, in a word each. */
function faultsOf({ method, path }: Shot, { status, headers, body }: Hit): string[] {
  const isProblem = status >= 400 && method !== 'HEAD' && !path.startsWith('/queues');
  const problem =
    isProblem && headers['content-type']?.startsWith('application/problem+json') ? JSON.parse(body) : {};
  const checks: Record<string, boolean> = {
    'a failure of ours': status < 500,
    'no request id': /^[\w.:-]+$/.test(String(headers['x-request-id'])),
    'no security headers': headers['x-content-type-options'] === 'nosniff',
    'no problem details': !isProblem || problem.status === status,
    'another request id': !isProblem || problem.request_id === headers['x-request-id'],
    // What the caller sent may come back in these.
    'the inside':
      !internals.test(body.replaceAll(/"(?:path|detail|error)":"(?:[^"\\]|\\.)*"/g, '')) || status < 400,
    'a 405 that allows it': status !== 405 || !String(headers.allow).split(', ').includes(method),
  };
  return Object.keys(checks).filter(name => !checks[name]);
}

test(`${requests} random requests: no failure of ours, nothing of the inside (seed ${SEED})`, async () => {
  const shoot = createGun(randomOf(SEED));
  const shots = Array.from({ length: requests }, shoot);
  const agent = new Agent({ keepAlive: true, maxSockets: width });
  const statuses = new Set<number>();
  const wrong: string[] = [];
  await atMost(width, shots, async (shot: Shot) => {
    const hit = await fire(agent, shot);
    statuses.add(hit.status);
    for (const fault of faultsOf(shot, hit))
      wrong.push(
        `${fault}: ${JSON.stringify(shot).slice(0, 600)} -> ${hit.status} ${hit.body.slice(0, 300)}`,
      );
  });
  agent.destroy();
  expect(wrong).toEqual([]);
  // Shots that are all refused at the first check would prove little.
  expect([...statuses]).toEqual(expect.arrayContaining([200, 201, 202, 400, 404, 405, 409, 415]));
  for (const { log } of [api, worker])
    expect(log().filter(line => ['error', 'fatal'].includes(line.level))).toEqual([]);
}, 60_000);
