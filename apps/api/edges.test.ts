import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exchangeRaw } from '../raw-exchange.ts';
import { awaitUntil } from '../system-tests/await-until.ts';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

const json = { 'content-type': 'application/json' };
const fiveMegabytes = 5 * 1024 * 1024;

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

const post = (headers: string) =>
  `POST /api/coupons HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`;
const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`;
const codeOf = (body: string) => (JSON.parse(body) as { code: string }).code;

describe('addresses and methods', () => {
  test('a coupon may have the name of an address', async () => {
    for (const name of ['claim', 'claims', 'line']) {
      const body = JSON.stringify({ name, amount: 1 });
      expect((await fetch(`${base}/api/coupons`, { method: 'POST', headers: json, body })).status).toBe(201);
      expect((await fetch(`${base}/api/coupons/${name}`)).status, name).toBe(200);
      const change = { method: 'PATCH', headers: json, body: '{"amount":2}' };
      expect((await fetch(`${base}/api/coupons/${name}`, change)).status, name).toBe(200);
    }
  });

  test.each([
    ['DELETE', '/api/coupons', ['GET', 'POST']],
    ['PUT', '/api/coupons/a%2Fb', ['GET', 'PATCH']],
    ['GET', '/api/coupons/x/claims/', null],
    ['PATCH', '/api/coupons/x/claims', ['GET', 'POST']],
    ['POST', '/api/tickets/x', ['GET']],
    ['POST', '/health', ['GET']],
    ['DELETE', '/docs', ['GET']],
    ['PUT', '/docs/scalar.js', ['GET']],
    ['OPTIONS', '/api/coupons', ['GET', 'POST']],
    ['DELETE', '/api/nothing', null],
  ] as const)('%s %s', async (method, path, allowed) => {
    const answer = await fetch(base + path, { method });
    expect(answer.status).toBe(allowed ? 405 : 404);
    expect(await answer.json()).toMatchObject({ code: allowed ? 'method_not_allowed' : 'not_found' });
    if (!allowed) return;
    const named = answer.headers.get('allow')?.split(', ') ?? [];
    expect(named).toEqual(expect.arrayContaining([...allowed]));
    expect(named).not.toContain(method);
  });

  test('HEAD answers what GET would, without a body', async () => {
    for (const path of ['/health', '/api/coupons', '/api/coupons/nowhere', '/docs', '/nothing']) {
      const head = await exchangeRaw(base, get(path).replace('GET', 'HEAD'));
      const whole = await fetch(base + path);
      expect([path, head.status, head.body]).toEqual([path, whole.status, '']);
      expect(head.headers['content-type']).toBe(whole.headers.get('content-type'));
    }
  });

  test.each(['%', '%zz', '%E0%A4%A', '%c0%af', '%ff', '%00', '%2e%2e', '..%2f..', '%u0041', '%252e'])(
    'broken encoding %s',
    async odd => {
      for (const path of [
        `/api/coupons/${odd}`,
        `/api/coupons/${odd}/line`,
        `/api/tickets/${odd}`,
        `/${odd}`,
        `/docs/${odd}`,
        `/api/users/${odd}/claims?cursor=${odd}`,
      ]) {
        const { status, body } = await exchangeRaw(base, get(path));
        expect([200, 400, 404], `${path} ${body}`).toContain(status);
      }
    },
  );

  test('a path that is encoded more than it needs is the same path', async () => {
    for (const path of ['/he%61lth', '/api/c%6Fupons'])
      expect((await exchangeRaw(base, get(path))).status, path).toBe(200);
  });

  test('an address with scheme and host, as a proxy may send it', async () => {
    expect((await exchangeRaw(base, get('http://x/health'))).status).toBe(200);
    expect((await exchangeRaw(base, get('http://x/api/coupons/nowhere'))).status).toBe(404);
  });

  test('an address or a host that is none', async () => {
    for (const request of [
      get('/\\'),
      get('/api\\coupons'),
      get('/livez').replace('Host: x', 'Host: a b/c'),
    ]) {
      const { status, headers, body } = await exchangeRaw(base, request);
      expect(status).toBe(400);
      expect(headers['x-request-id']).toMatch(/^req_/);
      expect(codeOf(body)).toBe('invalid_request');
    }
  });

  test('what merely begins like an address is another address', async () => {
    for (const path of ['/queuesx', '/healthz', '/docs/', '/api/coupons/', '//health', '/./nothing'])
      expect((await exchangeRaw(base, get(path))).status, path).toBe(404);
  });

  test('a long address', async () => {
    expect((await exchangeRaw(base, get(`/api/coupons/${'x'.repeat(8000)}`))).status).toBe(404);
    expect((await exchangeRaw(base, get(`/${'x'.repeat(100_000)}`))).status).toBe(431);
  });
});

describe('headers', () => {
  test.each(['a\tb', 'a b', 'id"}{"level":"fatal', '<script>', 'x'.repeat(129), 'é', '../../etc', '$(id)'])(
    'X-Request-Id %j is replaced',
    async given => {
      const { headers } = await exchangeRaw(base, get('/livez', `X-Request-Id: ${given}\r\n`));
      expect(headers['x-request-id']).toMatch(/^req_[\w]+$/);
    },
  );

  test('line breaks in a header split nothing', async () => {
    for (const given of ['a\rSet-Cookie: b=c', 'a\nSet-Cookie: b=c', 'a\0b', 'a\r\n Set-Cookie: b=c']) {
      const { status, headers } = await exchangeRaw(base, get('/livez', `X-Request-Id: ${given}\r\n`));
      expect(headers).not.toHaveProperty('set-cookie');
      expect([200, 400]).toContain(status);
    }
    const { headers } = await exchangeRaw(base, get('/livez', 'X-Request-Id: a\r\nX-Request-Id: b\r\n'));
    expect(headers['x-request-id']).toMatch(/^req_/);
  });

  test('a request without Host, two lengths, a length beside chunks, an unknown expectation', async () => {
    const body = '{"name":"smuggled","amount":1}';
    for (const request of [
      'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n',
      `${post('Content-Length: 5\r\nContent-Length: 30\r\n')}${body}`,
      `${post('Content-Length: 30\r\nTransfer-Encoding: chunked\r\n')}0\r\n\r\n`,
      `${post('Content-Length: -1\r\n')}${body}`,
      `${post('Transfer-Encoding: chunked\r\n')}zz\r\n`,
      `${post('Expect: wonders\r\nContent-Length: 30\r\n')}${body}`,
    ]) {
      const { status } = await exchangeRaw(base, request);
      expect([400, 417], request).toContain(status);
    }
    expect((await fetch(`${base}/api/coupons/smuggled`)).status).toBe(404);
  });

  test('a body that is compressed is refused, not misread', async () => {
    const body = gzipSync('{"name":"compressed","amount":1}');
    const headers = { ...json, 'content-encoding': 'gzip' };
    const answer = await fetch(`${base}/api/coupons`, { method: 'POST', headers, body });
    expect([400, 415]).toContain(answer.status);
  });
});

describe('bodies', () => {
  test.each([
    ['in one piece', `Content-Length: ${fiveMegabytes}\r\n`, Buffer.alloc(fiveMegabytes, 'x')],
    [
      'in chunks',
      'Transfer-Encoding: chunked\r\n',
      Buffer.concat([
        Buffer.from(`${fiveMegabytes.toString(16)}\r\n`),
        Buffer.alloc(fiveMegabytes, 'x'),
        Buffer.from('\r\n0\r\n\r\n'),
      ]),
    ],
  ])('5 MB %s', async (_, length, bytes) => {
    const { status, body } = await exchangeRaw(
      base,
      post(`Content-Type: application/json\r\n${length}`),
      bytes,
    );
    expect([status, codeOf(body)]).toEqual([413, 'payload_too_large']);
  });

  test('the largest body is read, one byte more is not', async () => {
    const frame = JSON.stringify({ name: '', amount: 1 }).length;
    const of = (bytes: number) => JSON.stringify({ name: 'x'.repeat(bytes - frame), amount: 1 });
    const send = (body: string) => fetch(`${base}/api/coupons`, { method: 'POST', headers: json, body });
    expect((await send(of(1024 * 1024))).status).toBe(400); // The name is too long.
    expect((await send(of(1024 * 1024 + 1))).status).toBe(413);
  });

  test('nothing, and no content type', async () => {
    const bare = await exchangeRaw(base, post('Content-Length: 0\r\n'));
    expect([bare.status, codeOf(bare.body)]).toEqual([400, 'invalid_request']);
    const untyped = await exchangeRaw(
      base,
      `${post('Content-Length: 30\r\n')}{"name":"no type","amount": 1}`,
    );
    expect(untyped.status).toBe(201);
  });

  test.each([100, 100_000])('%i deep', async depth => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const deep = `${open.repeat(depth)}1${close.repeat(depth)}`;
      for (const body of [deep, `{"name":"deep","amount":1,"metadata":{"a":${deep}}}`]) {
        const answer = await fetch(`${base}/api/coupons`, { method: 'POST', headers: json, body });
        expect([201, 400, 409], (await answer.text()).slice(0, 200)).toContain(answer.status);
      }
    }
  });

  test('keys that mean something to JavaScript', async () => {
    const body =
      '{"name":"proto","amount":1,"metadata":{"__proto__":{"x":1},"constructor":{"prototype":2},"toString":3}}';
    const created = await fetch(`${base}/api/coupons`, { method: 'POST', headers: json, body });
    expect(created.status).toBe(201);
    const polluted = '{"name":"p2","amount":1,"__proto__":{"per_user_limit":5}}';
    const refused = await fetch(`${base}/api/coupons`, { method: 'POST', headers: json, body: polluted });
    expect(refused.status).toBe(400);
  });

  test('half a character, anywhere', async () => {
    for (const field of [
      '"name":"a\\ud800"',
      '"name":"b","metadata":{"k":"\\udc00"}',
      '"name":"c","metadata":{"\\ud800":1}',
    ]) {
      const body = `{"amount":1,${field}}`;
      expect((await fetch(`${base}/api/coupons`, { method: 'POST', headers: json, body })).status, body).toBe(
        400,
      );
    }
    const body = '{"user_id":"ada","metadata":{"k":"\\ud800"}}';
    const claim = await fetch(`${base}/api/coupons/claims/claims`, { method: 'POST', headers: json, body });
    expect(claim.status).toBe(400);
  });

  test('an upload that is broken off leaves nothing behind', async () => {
    const { hostname, port } = new URL(base);
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(port), hostname);
      await new Promise(resolve =>
        socket.write(`${post('Content-Type: application/json\r\nContent-Length: 1000\r\n')}{"na`, resolve),
      );
      socket.resetAndDestroy();
    }
    const health = await (await fetch(`${base}/health`)).json();
    expect(health).toMatchObject({ status: 'healthy' });
  });

  test('a slow client holds up nobody', async () => {
    const body = '{"name":"slow","amount":1}';
    const slow = exchangeRaw(
      base,
      post(`Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`),
      ...[...body].flatMap(letter => [letter, 20]),
    );
    let quick = 0;
    const others = awaitUntil('the slow one', async () => {
      expect((await fetch(`${base}/livez`)).status).toBe(200);
      quick++;
      return (await fetch(`${base}/api/coupons/slow`)).ok;
    });
    expect((await slow).status).toBe(201);
    await others;
    expect(quick).toBeGreaterThan(3);
  });
});

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
