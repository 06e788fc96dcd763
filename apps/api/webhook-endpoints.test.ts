import { createHmac } from 'node:crypto';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';
import { json } from './testing-requests.ts';

type Answer = { status: number; headers: Headers; text: string; body: Record<string, unknown> };

const path = '/api/webhook-endpoints';
let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let sql: Sql;
let api: Process;
let base: string;
let receiver: Receiver;

beforeAll(async () => {
  database = await createProcessDatabase();
  sql = openPool({ url: database.url, applicationName: 'test', max: 1 });
  receiver = await startReceiver();
  api = startProcess('api', { DATABASE_URL: database.url, PORT: '0', WEBHOOK_ALLOW_HOSTS: '127.0.0.1' });
  base = await api.ready;
});
afterAll(async () => {
  await Promise.all([api.stop(), receiver.close(), closePool(sql, 1)]);
  await database.drop();
});

async function call(method: string, at: string, body?: unknown, headers = {}): Promise<Answer> {
  const answer = await fetch(base + at, {
    method,
    headers: { ...json, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, body: text === '' ? {} : JSON.parse(text) };
}

async function create(more: Record<string, unknown> = {}): Promise<{ id: string; secret: string }> {
  const { status, text, body } = await call('POST', path, { url: receiver.url, ...more });
  expect(status, text).toBe(201);
  return body as { id: string; secret: string };
}

/** Sends a test message and answers its signatures. */
async function signaturesOf(id: string): Promise<{ count: number; isOf(secret: string): boolean }> {
  receiver.behave({ status: 200 });
  expect((await call('POST', `${path}/${id}/test`)).body).toMatchObject({ delivered: true });
  const { headers, body } = receiver.received.at(-1)!;
  const signatures = String(headers['webhook-signature']).split(' ');
  return {
    count: signatures.length,
    isOf: secret => signatures.includes(sign(secret, headers, body)),
  };
}

/** A signature as the standard describes it, written anew. */
function sign(secret: string, headers: Record<string, unknown>, body: string): string {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  return `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
}

test('an endpoint shows its secret once, and the database never', async () => {
  const { status, headers, body } = await call('POST', path, { url: 'https://shop.example/hooks?x=1' });
  expect(status).toBe(201);
  const { secret, ...endpoint } = body as { secret: string };
  expect(endpoint).toEqual({
    id: expect.stringMatching(/^ep_[0-9a-z]{25}$/),
    url: 'https://shop.example/hooks?x=1',
    event_types: null,
    coupons: null,
    description: null,
    status: 'enabled',
    disabled_at: null,
    disabled_reason: null,
    created_at: expect.any(String),
    updated_at: expect.any(String),
  });
  expect(secret).toMatch(/^whsec_[\w+/]{43}=$/);
  const own = `${path}/${body.id}`;
  expect(headers.get('location')).toBe(own);
  expect((await call('GET', own)).body).toEqual(endpoint);
  expect((await call('GET', path)).body.data).toContainEqual(endpoint);
  const [row] =
    await sql`select row_to_json(e)::text as text from webhook_endpoints e where id = ${String(body.id)}`;
  const bytes = Buffer.from(secret.slice('whsec_'.length), 'base64');
  for (const form of [secret.slice(6, 46), bytes.toString('hex')]) expect(row?.text).not.toContain(form);
});

test('a url is kept in its standard spelling, which every program reads alike', async () => {
  const { body } = await call('POST', path, { url: ' https://SHOP.example\\hooks\\secret' });
  expect(body.url).toBe('https://shop.example/hooks/secret');
  const changed = await call('PATCH', `${path}/${body.id}`, { url: 'https://shop.example:443' });
  expect(changed.body.url).toBe('https://shop.example/');
});

test('the same Idempotency-Key gets the same endpoint with the same secret, which is kept sealed', async () => {
  const key = { 'idempotency-key': 'one' };
  const [first, again] = [
    await call('POST', path, { url: receiver.url }, key),
    await call('POST', path, { url: receiver.url }, key),
  ];
  expect([first.status, again.status, again.text]).toEqual([201, 201, first.text]);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  const rotate = `${path}/${first.body.id}/rotate-secret`;
  const rotated = await call('POST', rotate, {}, key);
  expect(rotated.status).toBe(200);
  expect((await call('POST', rotate, {}, key)).text).toBe(rotated.text);
  const { count, isOf } = await signaturesOf(String(first.body.id));
  expect([count, isOf(String(first.body.secret)), isOf(String(rotated.body.secret))]).toEqual([
    2,
    true,
    true,
  ]);
  const kept = await sql<{ body: string }[]>`select body from idempotency_keys`;
  expect(kept).toHaveLength(2);
  for (const { body } of kept) expect(body).not.toMatch(/whsec|ep_/);
});

test('a wrong field is named, with what is wrong', async () => {
  const url = receiver.url;
  const wrong: [Record<string, unknown>, string, RegExp][] = [
    [{}, 'url', /^is required$/],
    [{ url: 5 }, 'url', /^has the wrong type$/],
    [{ url: 'shop.example' }, 'url', /^must be an address/],
    [{ url: 'http://shop.example/' }, 'url', /^must begin with https/],
    [
      { url: 'https://169.254.169.254/latest' },
      'url',
      /169\.254\.169\.254, which is a private .*WEBHOOK_ALLOW_HOSTS/,
    ],
    [{ url: 'https://0x0a.1/' }, 'url', /10\.0\.0\.1, which is a private/],
    [{ url: 'https://a:b@shop.example/' }, 'url', /user name or password/],
    [{ url: 'https://shop.example/\u0000' }, 'url', /^must be an address/],
    [{ url, event_types: [] }, 'event_types', /^must not be empty/],
    [{ url, event_types: ['claim.won'] }, 'event_types.0', /^must be one of claim\.granted, /],
    [{ url, coupons: [''] }, 'coupons.0', /^is required$/],
    [{ url, coupons: 'WINTER' }, 'coupons', /^has the wrong type$/],
    [{ url, description: 'x'.repeat(501) }, 'description', /^exceeds maximum length of 500$/],
    [{ url, secret: 'mine' }, 'secret', /^is not a field of this request$/],
  ];
  const { id } = await create();
  for (const [fields, name, message] of wrong) {
    const errors = [{ path: name, message: expect.stringMatching(message) }];
    const about = JSON.stringify(fields);
    expect((await call('POST', path, fields)).body, about).toMatchObject({ code: 'invalid_request', errors });
    if (fields.url === undefined) continue;
    expect((await call('PATCH', `${path}/${id}`, fields)).body, about).toMatchObject({ status: 400, errors });
  }
  for (const grace_seconds of [-1, 604_801, 1.5, '9'])
    expect((await call('POST', `${path}/${id}/rotate-secret`, { grace_seconds })).body).toMatchObject({
      status: 400,
      errors: [{ path: 'grace_seconds' }],
    });
  expect((await call('PATCH', `${path}/${id}`, { status: 'gone' })).body).toMatchObject({
    errors: [{ path: 'status', message: 'must be enabled or disabled' }],
  });
});

test('an endpoint is changed, disabled, enabled again and deleted', async () => {
  const { id } = await create({ event_types: ['claim.granted'], coupons: ['WINTER'], description: 'a' });
  const own = `${path}/${id}`;
  const changed = await call('PATCH', own, {
    event_types: null,
    coupons: ['SPRING', 'a "name"'],
    description: null,
  });
  expect(changed.body).toMatchObject({
    url: receiver.url,
    event_types: null,
    coupons: ['SPRING', 'a "name"'],
    description: null,
  });
  const off = (await call('PATCH', own, { status: 'disabled' })).body;
  expect(off).toMatchObject({
    status: 'disabled',
    disabled_reason: 'operator',
    disabled_at: expect.any(String),
  });
  // The first reason and time stand.
  const { disabled_at, disabled_reason } = (await call('PATCH', own, { status: 'disabled' })).body;
  expect([disabled_at, disabled_reason]).toEqual([off.disabled_at, 'operator']);
  expect((await call('POST', `${own}/test`)).body).toMatchObject({ delivered: true });
  expect((await call('PATCH', own, { status: 'enabled' })).body).toMatchObject({
    status: 'enabled',
    disabled_reason: null,
    disabled_at: null,
  });
  expect([(await call('DELETE', own)).status, (await call('DELETE', own)).status]).toEqual([204, 404]);
  for (const [method, at, body] of [
    ['GET', own],
    ['PATCH', own, {}],
    ['POST', `${own}/test`],
    ['POST', `${own}/rotate-secret`, {}],
    ['GET', `${path}/${encodeURIComponent("ep_'; drop table coupons; --")}`],
  ] as const)
    expect((await call(method, at, body)).body, `${method} ${at}`).toMatchObject({
      code: 'endpoint_not_found',
    });
});

test('a call whose fields may all be left out needs no body, and refuses a field that it does not know', async () => {
  const { id } = await create();
  receiver.behave({ status: 200 });
  const none = `msg_${'0'.repeat(32)}_1`;
  for (const [at, status] of [
    [`${path}/${id}/rotate-secret`, 200],
    ['/api/webhook-callbacks/rotate-secret', 200],
    [`${path}/${id}/test`, 200],
    [`/api/webhook-messages/${none}/resend`, 404],
  ] as const) {
    const bare = await fetch(base + at, { method: 'POST' });
    expect([at, bare.status]).toEqual([at, status]);
    const { body } = await call('POST', at, { endpoint_id: id });
    expect(body, at).toMatchObject({ status: 400, errors: [{ path: 'endpoint_id' }] });
  }
  const needed = await fetch(base + path, { method: 'POST' });
  expect(await needed.json()).toMatchObject({ status: 400, error: 'invalid request body' });
});

test('an endpoint that is enabled again, or moved, begins anew', async () => {
  const { id } = await create();
  const own = `${path}/${id}`;
  const fail = () => sql`
    insert into webhook_lanes (lane, failing_since, failures, open_until, window_attempts, window_failures)
    values (${id}, now() - interval '5 days', 99, now(), 9, 9)
    on conflict (lane) do update set failing_since = excluded.failing_since, failures = excluded.failures`;
  const failures = async () =>
    (await sql`select failures from webhook_lanes where lane = ${id}`)[0]?.failures;
  await fail();
  await call('PATCH', own, { status: 'enabled', url: receiver.url, description: 'the same' });
  expect(await failures()).toBe(99);
  await call('PATCH', own, { status: 'disabled' });
  expect(await failures()).toBe(99);
  await call('PATCH', own, { status: 'enabled' });
  expect(await failures()).toBe(0);
  await fail();
  await call('PATCH', own, { url: `${receiver.url}/moved` });
  const [lane] = await sql`
    select failing_since, open_until, window_attempts from webhook_lanes where lane = ${id}`;
  expect(lane).toEqual({ failing_since: null, open_until: null, window_attempts: 0 });
});

test('a test of an endpoint whose secret does not open says so', async () => {
  const { id } = await create();
  await sql`update webhook_endpoints set secrets = '[{"sealed": "AAAA", "until": null}]' where id = ${id}`;
  const { status, body } = await call('POST', `${path}/${id}/test`);
  expect([status, body]).toEqual([
    200,
    expect.objectContaining({ delivered: false, status: null, failure: 'secret', code: null }),
  ]);
});

test('a list is read page by page, oldest first', async () => {
  const made: string[] = [];
  for (let n = 0; n < 5; n++) made.push((await create()).id);
  const seen: string[] = [];
  let cursor: unknown = null;
  do {
    const page: Answer = await call('GET', `${path}?limit=2${cursor ? `&cursor=${cursor}` : ''}`);
    seen.push(...(page.body.data as { id: string }[]).map(({ id }) => id));
    cursor = page.body.next_cursor;
  } while (cursor);
  expect(seen.slice(-5)).toEqual(made);
  expect(new Set(seen).size).toBe(seen.length);
});

test('a new secret signs beside those before it while the grace lasts, and no longer', async () => {
  const { id, secret: first } = await create();
  const rotate = async (grace_seconds?: number) =>
    String((await call('POST', `${path}/${id}/rotate-secret`, { grace_seconds })).body.secret);
  const second = await rotate();
  const third = await rotate(60);
  const all = await signaturesOf(id);
  expect([all.count, ...[first, second, third].map(all.isOf)]).toEqual([3, true, true, true]);
  // Later: the time of those before has come.
  await sql`
    update webhook_endpoints set secrets = (
      select jsonb_agg(case when one ->> 'until' is null then one else jsonb_set(one, '{until}', to_jsonb(now())) end)
      from jsonb_array_elements(secrets) one
    ) where id = ${id}`;
  const later = await signaturesOf(id);
  expect([later.count, ...[first, second, third].map(later.isOf)]).toEqual([1, false, false, true]);
  const fourth = await rotate(0);
  const after = await signaturesOf(id);
  expect([after.count, after.isOf(third), after.isOf(fourth)]).toEqual([1, false, true]);
  const [row] = await sql`select jsonb_array_length(secrets) as kept from webhook_endpoints where id = ${id}`;
  expect(row?.kept).toBe(1);
});

test('ten rotations at once: five secrets are in force, each of them one that was shown', async () => {
  const { id } = await create();
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => call('POST', `${path}/${id}/rotate-secret`, {})),
  );
  expect(answers.map(({ status }) => status)).toEqual(new Array(10).fill(200));
  const { count, isOf } = await signaturesOf(id);
  expect([count, answers.filter(({ body }) => isOf(String(body.secret))).length]).toEqual([5, 5]);
});

test('a test message says what came of it', async () => {
  const { id } = await create();
  const send = async () => (await call('POST', `${path}/${id}/test`)).body;
  receiver.behave({ status: 500, body: 'no such table' });
  expect(await send()).toEqual({
    message_id: expect.stringMatching(/^msg_/),
    delivered: false,
    status: 500,
    failure: null,
    code: null,
    body: 'no such table',
    duration_ms: expect.any(Number),
  });
  const { headers, body } = receiver.received.at(-1)!;
  expect(JSON.parse(body)).toEqual({
    type: 'webhook.test',
    timestamp: expect.stringMatching(/^20.+Z$/),
    data: { endpoint_id: id },
  });
  expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(300);
  receiver.behave({ mode: 'reset' });
  expect(await send()).toMatchObject({ delivered: false, status: null, failure: 'broken' });
  // What was allowed when it was created, and is no longer.
  await sql`update webhook_endpoints set url = ${receiver.url.replace('127.0.0.1', '127.0.0.2')} where id = ${id}`;
  expect(await send()).toMatchObject({
    delivered: false,
    status: null,
    failure: 'blocked',
    code: 'EBLOCKED',
  });
});
