import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

/** An event that is not there. */
const nothing = `evt_${'0'.repeat(32)}`;
const KEY = 'a-key-of-an-operator';
const json = { 'content-type': 'application/json' };
const basic = (password: string) => `Basic ${Buffer.from(`op:${password}`).toString('base64')}`;

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
beforeAll(async () => {
  database = await createProcessDatabase();
});
afterAll(() => database.drop());

describe('with OPERATOR_KEY', () => {
  let api: Process;
  let base: string;
  beforeAll(async () => {
    api = startProcess('api', { DATABASE_URL: database.url, PORT: '0', OPERATOR_KEY: KEY });
    base = await api.ready;
    const name = 'access';
    const created = await call('POST', '/api/coupons', {
      authorization: `Bearer ${KEY}`,
      body: { name, amount: 1 },
    });
    expect(created.status).toBe(201);
  });
  afterAll(() => api.stop());

  function call(method: string, path: string, { authorization, body, accept }: Sent = {}) {
    return fetch(base + path, {
      method,
      headers: {
        ...json,
        ...(authorization !== undefined && { authorization }),
        ...(accept && { accept }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }
  type Sent = { authorization?: string; body?: unknown; accept?: string };

  const keyed: [string, string, unknown, number][] = [
    ['POST', '/api/coupons', { name: 'more', amount: 1 }, 201],
    ['GET', '/api/coupons', undefined, 200],
    ['GET', '/api/coupons/access', undefined, 200],
    ['PATCH', '/api/coupons/access', { amount: 2 }, 200],
    ['GET', '/api/coupons/access/claims', undefined, 200],
    ['GET', '/api/coupons/access/stats', undefined, 200],
    ['GET', '/api/users/ada/claims', undefined, 200],
    ['POST', '/api/coupons/access/codes', { codes: ['x'] }, 201],
    ['POST', '/api/coupons/access/codes/generate', { quantity: 1 }, 201],
    ['GET', '/api/coupons/access/codes', undefined, 200],
    ['GET', '/api/users/ada/codes', undefined, 200],
    ['GET', '/api/code-runs/x', undefined, 404],
    ['GET', '/api/codes/x', undefined, 200],
    ['GET', '/api/codes/x/audit', undefined, 200],
    ['POST', '/api/codes/x/assign', { user_id: 'eve' }, 201],
    ['POST', '/api/webhook-endpoints', { url: 'https://shop.example' }, 201],
    ['GET', '/api/webhook-endpoints', undefined, 200],
    ['GET', '/api/webhook-endpoints/ep_x', undefined, 404],
    ['PATCH', '/api/webhook-endpoints/ep_x', {}, 404],
    ['DELETE', '/api/webhook-endpoints/ep_x', undefined, 404],
    ['POST', '/api/webhook-endpoints/ep_x/rotate-secret', {}, 404],
    ['POST', '/api/webhook-endpoints/ep_x/test', undefined, 404],
    ['POST', '/api/webhook-callbacks/rotate-secret', {}, 200],
    ['GET', '/api/webhook-endpoints/ep_x/attempts', undefined, 404],
    ['POST', '/api/webhook-endpoints/ep_x/recover', { since: '2026-01-01T00:00:00Z' }, 404],
    ['GET', '/api/webhook-messages', undefined, 200],
    ['GET', '/api/webhook-messages/msg_x', undefined, 404],
    ['POST', '/api/webhook-messages/msg_x/resend', undefined, 404],
    ['GET', '/api/coupons/access/redemptions', undefined, 200],
    ['GET', '/api/users/ada/redemptions', undefined, 200],
    ['GET', '/api/validations', undefined, 200],
    ['GET', '/api/coupons/access/validations/stats', undefined, 200],
    ['POST', '/api/events', { name: 'x', starts_at: '2999-01-01T00:00:00Z' }, 201],
    ['PATCH', `/api/events/${nothing}`, {}, 404],
    ['DELETE', `/api/events/${nothing}`, undefined, 404],
    ['POST', `/api/events/${nothing}/seats`, { seats: [{ number: '1', price: 1, currency: 'EUR' }] }, 404],
    ['PATCH', `/api/events/${nothing}/seats`, { seats: ['1'], status: 'blocked' }, 404],
    ['GET', '/api/users/ada/reservations', undefined, 200],
    ['GET', '/api/users/ada/bookings', undefined, 200],
    ['POST', '/api/bookings/K7QM-49XT-RGAC-D2FH/refund', {}, 404],
    ['GET', '/metrics', undefined, 200],
    ['GET', '/queues', undefined, 200],
    ['GET', '/queues/api/queues', undefined, 200],
    ['GET', '/queues/static/favicon-32x32.png', undefined, 200],
  ];

  test.each(keyed)('%s %s needs the key', async (method, path, body, status) => {
    const wrong = [
      undefined,
      '',
      'Bearer',
      `Bearer ${KEY}x`,
      `Bearer ${KEY.slice(1)}`,
      `Bearer ${KEY.toUpperCase()}`,
      KEY,
      `Token ${KEY}`,
      `Bearer x Bearer ${KEY}`,
      basic('wrong'),
      `Basic ${KEY}`,
      'Basic %%%',
    ];
    for (const authorization of wrong) {
      const refused = await call(method, path, {
        body,
        ...(authorization !== undefined && { authorization }),
      });
      expect(refused.status, authorization).toBe(401);
      expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(await refused.json()).toMatchObject({ status: 401, code: 'unauthorized' });
    }
    const first = await call(method, path, { body, authorization: `Bearer ${KEY}` });
    expect(first.status).toBe(status);
    const again = await call(method, path, { body, authorization: basic(KEY) });
    expect([status, 409]).toContain(again.status); // A coupon of that name exists by now.
  });

  test('the refusal comes before the body is looked at', async () => {
    const refused = await fetch(`${base}/api/coupons`, { method: 'POST', body: '{' });
    expect(refused.status).toBe(401);
  });

  const open: [string, string, unknown, number][] = [
    ['POST', '/api/coupons/access/claims', { user_id: 'ada' }, 202],
    ['POST', '/api/coupons/claim', { user_id: 'ada', coupon_name: 'nowhere' }, 404],
    ['GET', '/api/coupons/access/line', undefined, 200],
    ['GET', '/api/tickets/unknown', undefined, 404],
    ['GET', '/api/tickets/unknown/events', undefined, 404],
    ['POST', '/api/codes/x/lock', { user_id: 'grace' }, 403],
    ['POST', '/api/codes/x/unlock', { user_id: 'grace' }, 403],
    ['POST', '/api/codes/x/redeem', { user_id: 'grace' }, 403],
    ['POST', '/api/validations', { code: 'x', user_id: 'grace', order_value: 1 }, 200],
    ['GET', '/api/events', undefined, 200],
    ['GET', `/api/events/${nothing}`, undefined, 404],
    ['GET', `/api/events/${nothing}/seats`, undefined, 404],
    ['POST', `/api/events/${nothing}/reservations`, { user_id: 'ada', quantity: 1 }, 404],
    ['GET', '/api/reservations/x', undefined, 404],
    ['DELETE', '/api/reservations/x', undefined, 404],
    ['POST', '/api/reservations/x/booking', {}, 404],
    ['GET', '/api/bookings/K7QM-49XT-RGAC-D2FH', undefined, 404],
    ['POST', '/api/payments/stripe/webhook', {}, 501],
    ['GET', '/health', undefined, 200],
    ['GET', '/livez', undefined, 200],
    ['GET', '/readyz', undefined, 200],
    ['GET', '/openapi.json', undefined, 200],
    ['GET', '/docs', undefined, 200],
    ['GET', '/docs/problems', undefined, 200],
    ['GET', '/docs/scalar.js', undefined, 200],
  ];

  test.each(open)('%s %s is open', async (method, path, body, status) => {
    expect((await call(method, path, { body })).status).toBe(status);
  });

  test('what the document says of access is what happens', async () => {
    const { paths } = (await (await call('GET', '/openapi.json')).json()) as {
      paths: Record<string, Record<string, { security: unknown[] }>>;
    };
    const saidKeyed = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([, operation]) => operation.security.length > 0)
        .map(([method]) => `${method.toUpperCase()} ${path}`),
    );
    const isKeyed = keyed
      .filter(([, path]) => !path.startsWith('/queues'))
      .map(
        ([method, path]) =>
          `${method} ${path
            .replace('access', '{name}')
            .replace('ada', '{user_id}')
            .replace(/ep_x|msg_x/, '{id}')
            .replace(nothing, '{id}')
            .replace('K7QM-49XT-RGAC-D2FH', '{reference}')
            .replace('runs/x', 'runs/{run_id}')
            .replace(/codes\/x/, 'codes/{code}')}`,
      );
    expect(saidKeyed.sort()).toEqual(isKeyed.sort());
  });

  test('a browser is asked for the key of the board', async () => {
    const asked = await call('GET', '/queues', { accept: 'text/html,application/xhtml+xml' });
    expect(asked.status).toBe(401);
    expect(asked.headers.get('www-authenticate')).toMatch(/^Basic realm="/);
    // A script that polls must not open a password box.
    const polled = await call('GET', '/queues/api/queues', { accept: 'application/json' });
    expect(polled.headers.get('www-authenticate') ?? '').not.toMatch(/^Basic/);
  });

  test('the key is in no line of the log', async () => {
    expect(api.stdout()).not.toContain(KEY);
    expect(api.stdout()).not.toContain(Buffer.from(`op:${KEY}`).toString('base64'));
  });
});

describe('without OPERATOR_KEY', () => {
  const env = () => ({ DATABASE_URL: database.url, PORT: '0' });

  test('an address that others can reach is refused', async () => {
    const hosts = ['0.0.0.0', '::', '192.0.2.7', 'example.test'];
    const apis = hosts.map(host => startProcess('api', { ...env(), HOST: host }));
    for (const [i, api] of apis.entries()) {
      expect(await api.exited, hosts[i]).toEqual({ code: 1, signal: null });
      expect(api.stderr()).toContain(`HOST is ${hosts[i]},`);
      expect(api.stderr()).toContain('OPERATOR_KEY');
      expect(api.stderr().trim().split('\n')).toHaveLength(1);
    }
  });

  test('a loopback address is open, and the log says so', async () => {
    const api = startProcess('api', { ...env(), HOST: 'localhost' });
    const base = await api.ready;
    expect((await fetch(`${base}/api/coupons`)).status).toBe(200);
    expect((await fetch(`${base}/queues`)).status).toBe(200);
    await api.stop();
    const warnings = api.log().filter(line => line.level === 'warn');
    expect(warnings.map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/no OPERATOR_KEY.*open/),
      expect.stringMatching(/mock is on/),
    ]);
  });
});

test('a key of fewer than 16 characters is refused, and not shown', async () => {
  const api = startProcess('api', { DATABASE_URL: database.url, OPERATOR_KEY: 'fifteen-letters' });
  expect((await api.exited).code).toBe(2);
  expect(api.stderr()).toContain('OPERATOR_KEY: must be at least 16 letters, digits and signs');
  expect(api.stderr()).not.toContain('fifteen-letters');
});
