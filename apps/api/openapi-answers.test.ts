import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';
import { contract } from './testing-contract.ts';
import { checkOf, type Document, type Json } from './testing-document.ts';

/** Headers that mean something to a client: where one is sent, the document says so. */
const telling = [
  ...['location', 'content-location', 'retry-after', 'preference-applied', 'etag', 'x-request-id'],
  'idempotent-replayed',
];

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let api: Process;
let worker: Process;
let base: string;
let document: Document;

beforeAll(async () => {
  database = await createProcessDatabase();
  api = startProcess('api', { DATABASE_URL: database.url, PORT: '0' });
  worker = startProcess('worker', { DATABASE_URL: database.url });
  base = await api.ready;
  await worker.ready;
  document = (await (await fetch(`${base}/openapi.json`)).json()) as Document;
});
afterAll(async () => {
  await Promise.all([api.stop(), worker.stop()]);
  await database.drop();
});

type Sent = { body?: unknown; headers?: Record<string, string>; raw?: string };

/** Sends a call of the contract, with `in` for the parameters of its path, and holds the answer against the document. */
async function send(
  call: string,
  status: number,
  inPath: Json = {},
  { body, headers, raw }: Sent = {},
  query = '',
) {
  const [method = '', template = ''] = call.split(' ');
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(inPath[name])));
  const answer = await fetch(base + path + query, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...((body !== undefined || raw !== undefined) && { body: raw ?? JSON.stringify(body) }),
  });
  const text = await answer.text();
  const about = `${call} ${query} -> ${answer.status} ${text.slice(0, 300)}`;
  expect(answer.status, about).toBe(status);
  const said = document.paths[template]?.[method.toLowerCase()]?.responses[status];
  expect(said, about).toBeDefined();

  const documented = Object.keys(said!.headers ?? {}).map(name => name.toLowerCase());
  for (const name of telling)
    if (answer.headers.has(name)) expect(documented, `${name} of ${about}`).toContain(name);
  expect(answer.headers.get('x-request-id'), about).toBeTruthy();
  if (status === 202)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      location: expect.any(String),
      'retry-after': expect.stringMatching(/^\d+$/),
    });

  const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
  if (status === 304 || status === 204) return { answer, body: {} as Json };
  expect(Object.keys(said!.content ?? {}), about).toContain(type);
  if (!type.endsWith('json')) return { answer, body: {} as Json };
  const parsed: Json = JSON.parse(text);
  const { schema } = said!.content![type]!;
  expect(checkOf(document, schema!).safeParse(parsed).error?.issues ?? [], about).toEqual([]);
  return { answer, body: parsed };
}

test('coupons', async () => {
  const create = 'POST /api/coupons';
  const name = 'a name/with ünicode';
  const full = {
    name,
    amount: 5,
    starts_at: '2020-01-01T00:00:00+02:00',
    ends_at: '2100-01-01T00:00:00Z',
    per_user_limit: 2,
    lock_ttl_seconds: 60,
    max_redemptions_per_code: null,
    discount: { type: 'percentage', value: 12.5, max_amount: 500, minimum_order_value: 0, currency: 'EUR' },
    metadata: { a: [1, { b: null }], 'c d': 'é' },
  };
  await send(create, 201, {}, { body: full });
  await send(create, 409, {}, { body: full });
  await send(create, 400, {}, { body: {} });
  await send(create, 400, {}, { raw: '{', headers: { 'content-type': 'application/json' } });
  await send(create, 413, {}, { body: { name: 'x'.repeat(1_100_000), amount: 1 } });
  await send(create, 415, {}, { raw: 'x', headers: { 'content-type': 'text/plain' } });
  await send(create, 201, {}, { body: { name: 'second', amount: 1 } });
  await send('GET /api/coupons/{name}', 200, { name });
  await send('GET /api/coupons/{name}', 404, { name: 'nowhere' });
  await send('GET /api/coupons', 200, {}, {}, '?limit=1&status=active');
  await send('GET /api/coupons', 400, {}, {}, '?limit=0');
  const change = 'PATCH /api/coupons/{name}';
  await send(change, 200, { name }, { body: { amount: 6, starts_at: null, discount: null } });
  await send(change, 400, { name }, { body: { amount: 0 } });
  await send(change, 404, { name: 'nowhere' }, { body: { amount: 1 } });
  await send('GET /api/coupons/{name}/stats', 200, { name });
  await send('GET /api/coupons/{name}/stats', 404, { name: 'nowhere' });
  await send('GET /api/coupons/{name}/line', 200, { name });
  await send('GET /api/coupons/{name}/line', 404, { name: 'nowhere' });
});

test('claims, with the example that the document gives', async () => {
  const claim = 'POST /api/coupons/{name}/claims';
  const exampleOf = (template: string) =>
    document.paths[template]!.post!.requestBody!.content['application/json']!.example as Json;
  const example = { ...exampleOf('/api/coupons'), starts_at: null, ends_at: null, amount: 2 };
  const { name } = (await send('POST /api/coupons', 201, {}, { body: example })).body as { name: string };
  const first = await send(
    claim,
    200,
    { name },
    { body: exampleOf('/api/coupons/{name}/claims'), headers: { prefer: 'wait=10' } },
  );
  expect(first.answer.headers.get('preference-applied')).toBe('wait=10');
  expect(first.body).toMatchObject({ status: 'granted', user_id: 'ada' });
  await send(claim, 409, { name }, { body: { user_id: 'ada' } });
  await send(claim, 400, { name }, { body: { user_id: '' } });
  await send(claim, 404, { name: 'nowhere' }, { body: { user_id: 'ada' } });
  await send(claim, 413, { name }, { body: { user_id: 'x'.repeat(1_100_000) } });
  await send(claim, 415, { name }, { raw: 'x', headers: { 'content-type': 'text/plain' } });
  const simple = 'POST /api/coupons/claim';
  await send(simple, 409, {}, { body: exampleOf('/api/coupons/claim') });
  await send(simple, 200, {}, { body: { user_id: 'grace', coupon_name: name } });
  await send(simple, 400, {}, { body: { user_id: 'barbara', coupon_name: name } });
  await send(simple, 404, {}, { body: { user_id: 'barbara', coupon_name: 'nowhere' } });
  await send(claim, 409, { name }, { body: { user_id: 'barbara' } });
  await send('GET /api/coupons/{name}/claims', 200, { name }, {}, '?limit=1');
  await send('GET /api/coupons/{name}/claims', 404, { name: 'nowhere' });
  await send('GET /api/coupons/{name}/claims', 400, { name }, {}, '?cursor=x');
  await send('GET /api/users/{user_id}/claims', 200, { user_id: 'ada' });
  await send('PATCH /api/coupons/{name}', 409, { name }, { body: { amount: 1 } });
});

test.each([
  ['paused', { status: 'paused' }],
  ['ended', { status: 'ended' }],
  ['not_started', { starts_at: '2100-01-01T00:00:00Z' }],
])('a claim of a coupon that is %s', async (code, change) => {
  await send('POST /api/coupons', 201, {}, { body: { name: code, amount: 1 } });
  await send('PATCH /api/coupons/{name}', 200, { name: code }, { body: change });
  const refused = await send(
    'POST /api/coupons/{name}/claims',
    409,
    { name: code },
    { body: { user_id: 'ada' } },
  );
  expect(refused.body.code).toBe(code);
  await send('POST /api/coupons/claim', 409, {}, { body: { user_id: 'ada', coupon_name: code } });
});

test('tickets, queued and decided', async () => {
  const name = 'tickets';
  const read = 'GET /api/tickets/{ticket}';
  await send('POST /api/coupons', 201, {}, { body: { name, amount: 5 } });
  process.kill(worker.pid, 'SIGSTOP');
  const queued = await send('POST /api/coupons/{name}/claims', 202, { name }, { body: { user_id: 'ada' } });
  const again = await send(
    'POST /api/coupons/{name}/claims',
    202,
    { name },
    { body: { user_id: 'ada' }, headers: { prefer: 'wait=1' } },
  );
  const { ticket } = queued.body;
  const early = await send(read, 200, { ticket }, { headers: { prefer: 'wait=1' } });
  const noWait = await send(read, 200, { ticket }, { headers: { prefer: 'wait=0' } });
  process.kill(worker.pid, 'SIGCONT');
  expect(again.body).toMatchObject({ deduplicated: true, ticket });
  expect(early.answer.headers.get('preference-applied')).toBe('wait=1');
  expect(noWait.answer.headers.get('preference-applied')).toBeNull();
  const decided = await send(read, 200, { ticket }, {}, '?wait=10');
  expect(decided.body.status).toBe('granted');
  const etag = decided.answer.headers.get('etag') ?? '';
  for (const known of [etag, etag.replace('W/', ''), `"other", ${etag}`, '*'])
    await send(read, 304, { ticket }, { headers: { 'if-none-match': known } });
  for (const other of ['"other"', 'W/"other", "another"', etag.replaceAll('"', '')])
    await send(read, 200, { ticket }, { headers: { 'if-none-match': other } });
  await send(read, 200, { ticket }, {}, '?wait=');
  await send(read, 400, { ticket }, {}, '?wait=x');
  await send(read, 404, { ticket: 'tkt_made-up' });
  await send('GET /api/tickets/{ticket}/events', 200, { ticket });
  await send('GET /api/tickets/{ticket}/events', 404, { ticket: 'tkt_made-up' });
});

test('an empty value in a query is as good as none', async () => {
  await send('GET /api/coupons', 200, {}, {}, '?limit=&cursor=&status=');
  await send('GET /api/validations', 200, {}, {}, '?coupon=&user_id=&cursor=');
});

test('requests with an Idempotency-Key', async () => {
  const name = 'keyed';
  const headers = { 'idempotency-key': 'a-key' };
  const create = 'POST /api/coupons';
  await send(create, 201, {}, { body: { name, amount: 5 }, headers });
  const again = await send(create, 201, {}, { body: { name, amount: 5 }, headers });
  await send(create, 422, {}, { body: { name, amount: 6 }, headers });
  await send(create, 400, {}, { body: { name, amount: 6 }, headers: { 'idempotency-key': 'a key' } });
  const claim = 'POST /api/coupons/{name}/claims';
  await send(claim, 202, { name }, { body: { user_id: 'ada' }, headers });
  const joined = await send(claim, 202, { name }, { body: { user_id: 'ada' }, headers });
  for (const { answer } of [again, joined]) expect(answer.headers.get('idempotent-replayed')).toBe('true');
  await send(claim, 422, { name }, { body: { user_id: 'eve' }, headers });
  const simple = 'POST /api/coupons/claim';
  await send(simple, 404, {}, { body: { user_id: 'ada', coupon_name: 'nowhere' }, headers });
  await send(simple, 404, {}, { body: { user_id: 'ada', coupon_name: 'nowhere' }, headers });
  await send(simple, 422, {}, { body: { user_id: 'ada', coupon_name: name }, headers });
});

test('codes, into the book', async () => {
  const name = 'book';
  const [generate, upload] = ['POST /api/coupons/{name}/codes/generate', 'POST /api/coupons/{name}/codes'];
  await send('POST /api/coupons', 201, {}, { body: { name, amount: 1, max_redemptions_per_code: 2 } });
  await send(generate, 201, { name }, { body: { quantity: 20, pattern: 'BOOK-####-????' } });
  const run = await send(
    generate,
    202,
    { name },
    { body: { quantity: 5 }, headers: { prefer: 'respond-async' } },
  );
  await send('GET /api/code-runs/{run_id}', 200, { run_id: run.body.run_id });
  await send('GET /api/code-runs/{run_id}', 404, { run_id: 'x' });
  await send(generate, 400, { name }, { body: { quantity: 9, pattern: 'A-#' } });
  await send(generate, 404, { name: 'nowhere' }, { body: { quantity: 1 } });
  await send(upload, 201, { name }, { body: { codes: ['one', ' ONE ', 'two'] } });
  await send(
    upload,
    201,
    { name },
    { raw: 'code\nthree\n"four",x\n', headers: { 'content-type': 'text/csv' } },
  );
  await send(upload, 400, { name }, { body: { codes: ['', 5] } });
  await send(upload, 400, { name }, { raw: '\n', headers: { 'content-type': 'text/csv' } });
  const keyed = { 'content-type': 'text/csv', 'idempotency-key': 'five' };
  const refused = await send(upload, 400, { name }, { raw: 'five\n', headers: keyed });
  expect(refused.body.errors).toEqual([
    { path: 'Idempotency-Key', message: 'is heeded with a JSON body only' },
  ]);
  await send(upload, 404, { name: 'nowhere' }, { body: { codes: ['x'] } });
  await send(upload, 415, { name }, { raw: 'x', headers: { 'content-type': 'text/plain' } });
  await send('PATCH /api/coupons/{name}', 409, { name }, { body: { amount: 1000 } });
  await send('GET /api/coupons/{name}/codes', 200, { name }, {}, '?limit=1&status=available');
  await send('GET /api/coupons/{name}/codes', 400, { name }, {}, '?status=odd');
  await send('GET /api/coupons/{name}/codes', 404, { name: 'nowhere' });
});

test('events, seats and reservations', async () => {
  const exampleOf = (template: string) =>
    document.paths[template]!.post!.requestBody!.content['application/json']!.example as Json;
  const event = { ...exampleOf('/api/events'), starts_at: '2100-01-01T00:00:00Z', on_sale_at: null };
  const { id } = (await send('POST /api/events', 201, {}, { body: event })).body as { id: string };
  const nowhere = { id: 'evt_x' };
  await send('POST /api/events', 400, {}, { body: {} });
  const [seats, own] = ['/api/events/{id}/seats', '/api/events/{id}'];
  await send(`POST ${seats}`, 201, { id }, { body: exampleOf(seats) });
  await send(`POST ${seats}`, 409, { id }, { body: exampleOf(seats) });
  await send(`POST ${seats}`, 404, nowhere, { body: exampleOf(seats) });
  await send(`POST ${seats}`, 400, { id }, { body: { seats: [] } });
  await send(`GET ${seats}`, 200, { id }, {}, '?limit=1&status=available');
  await send(`GET ${seats}`, 400, { id }, {}, '?limit=0');
  await send(`GET ${seats}`, 404, nowhere);
  const reserve = 'POST /api/events/{id}/reservations';
  const body = exampleOf('/api/events/{id}/reservations');
  const headers = { prefer: 'wait=10' };
  const held = await send(reserve, 201, { id }, { body, headers });
  await send(reserve, 409, { id }, { body: { ...body, user_id: 'grace' } });
  await send(reserve, 404, nowhere, { body });
  await send(reserve, 400, { id }, { body: {} });
  const reservation = { id: String(held.body.id) };
  await send('GET /api/reservations/{id}', 200, reservation);
  await send('GET /api/reservations/{id}', 404, { id: 'x' });
  await send('GET /api/users/{user_id}/reservations', 200, { user_id: 'ada' });
  await send(`PATCH ${seats}`, 409, { id }, { body: { seats: ['A1'], status: 'blocked' } });
  await send(`PATCH ${seats}`, 404, { id }, { body: { seats: ['Z1'], status: 'blocked' } });
  await send(`DELETE ${own}`, 409, { id });
  await send('DELETE /api/reservations/{id}', 200, reservation);
  await send('DELETE /api/reservations/{id}', 404, { id: 'x' });
  await send(`PATCH ${seats}`, 200, { id }, { body: { seats: ['A1'], status: 'blocked' } });
  await send(`PATCH ${own}`, 200, { id }, { body: { venue: null } });
  await send(`PATCH ${own}`, 400, { id }, { body: { status: 'past' } });
  await send(`PATCH ${own}`, 404, nowhere, { body: {} });
  await send(`GET ${own}`, 200, { id });
  await send(`GET ${own}`, 404, nowhere);
  await send('GET /api/events', 200, {}, {}, '?status=on_sale&q=gala&limit=1');
  await send('GET /api/events', 400, {}, {}, '?from=yesterday');
  const ticket = (await send(reserve, 202, { id }, { body: { user_id: 'ada', quantity: 1 } })).body.ticket;
  const decided = await send('GET /api/tickets/{ticket}', 200, { ticket: String(ticket) }, {}, '?wait=10');
  expect(decided.body).toMatchObject({ status: 'granted', reservation: { status: 'active' } });
  await send('PATCH /api/events/{id}', 200, { id }, { body: { status: 'canceled' } });
  await send(`DELETE ${own}`, 204, { id });
  await send(`DELETE ${own}`, 404, { id });
});

test('bookings: paid for, refused, given back', async () => {
  const event = { name: 'paid', starts_at: '2100-01-01T00:00:00Z' };
  const { id } = (await send('POST /api/events', 201, {}, { body: event })).body;
  const seats = [{ number: 'A1', price: 1500, currency: 'EUR' }];
  await send('POST /api/events/{id}/seats', 201, { id }, { body: { seats } });
  const wish = { body: { user_id: 'ada', quantity: 1 }, headers: { prefer: 'wait=10' } };
  const held = (await send('POST /api/events/{id}/reservations', 201, { id }, wish)).body;
  const pay = (key: string, status: number, payment: Json, reservation = held.id) =>
    send(
      'POST /api/reservations/{id}/booking',
      status,
      { id: reservation },
      { body: { payment }, headers: { 'idempotency-key': key } },
    );
  expect((await pay('a', 501, { method: 'barter' })).body.available).toEqual(['mock']);
  expect((await pay('b', 402, { method: 'mock', token: 'tok_declined' })).body.reason).toBe('card_declined');
  await pay('c', 404, { method: 'mock' }, 'rsv_x');
  const { reference } = (await pay('d', 201, { method: 'mock' })).body;
  await pay('e', 200, { method: 'mock' });
  await send('GET /api/bookings/{reference}', 200, { reference });
  await send('GET /api/bookings/{reference}', 404, { reference: 'x' });
  await send('GET /api/users/{user_id}/bookings', 200, { user_id: 'ada' });
  const refund = 'POST /api/bookings/{reference}/refund';
  const refused = await send(refund, 409, { reference }, { body: { amount: 1501 } });
  expect(refused.body).toMatchObject({ code: 'refund_exceeds_payment', refundable_amount: 1500 });
  await send(refund, 200, { reference }, { body: {} });
  await send(refund, 409, { reference }, { body: { amount: 1 } });
});

test('webhook endpoints', async () => {
  const [create, own] = ['POST /api/webhook-endpoints', '/api/webhook-endpoints/{id}'];
  const { body } = await send(
    create,
    201,
    {},
    { body: { url: 'https://shop.example/', event_types: ['claim.granted'] } },
  );
  const id = (body as { id: string }).id;
  await send(create, 400, {}, { body: { url: 'http://10.0.0.1' } });
  await send(create, 415, {}, { raw: 'x', headers: { 'content-type': 'text/plain' } });
  await send('GET /api/webhook-endpoints', 200, {}, {}, '?limit=1');
  await send('GET /api/webhook-endpoints', 400, {}, {}, '?limit=0');
  await send(`GET ${own}`, 200, { id });
  await send(`PATCH ${own}`, 200, { id }, { body: { status: 'disabled' } });
  await send(`PATCH ${own}`, 400, { id }, { body: { url: '' } });
  await send(`POST ${own}/rotate-secret`, 200, { id }, { body: {} });
  await send(`POST ${own}/rotate-secret`, 400, { id }, { body: { grace_seconds: -1 } });
  await send(`GET ${own}/attempts`, 200, { id });
  await send(`GET ${own}/attempts`, 400, { id }, {}, '?status=odd');
  const since = { body: { since: '2026-01-01T00:00:00Z' } };
  await send(`POST ${own}/recover`, 409, { id }, since);
  await send(`PATCH ${own}`, 200, { id }, { body: { status: 'enabled' } });
  await send(`POST ${own}/recover`, 200, { id }, since);
  await send(`POST ${own}/recover`, 400, { id }, { body: { since: 'yesterday' } });
  await send('POST /api/webhook-callbacks/rotate-secret', 200, {}, { body: { grace_seconds: 0 } });
  await send(`DELETE ${own}`, 204, { id });
  for (const call of [`GET ${own}`, `DELETE ${own}`, `POST ${own}/test`]) await send(call, 404, { id });
  await send(`PATCH ${own}`, 404, { id }, { body: {} });
});

test('webhook messages', async () => {
  await send('POST /api/webhook-endpoints', 201, {}, { body: { url: 'https://shop.invalid/' } });
  await send('POST /api/coupons', 201, {}, { body: { name: 'told', amount: 1 } });
  await send('POST /api/coupons/claim', 200, {}, { body: { user_id: 'ada', coupon_name: 'told' } });
  const feed = 'GET /api/webhook-messages';
  let id: unknown;
  await expect
    .poll(async () => {
      const { body } = await send(feed, 200, {}, {}, '?coupon=told&limit=1');
      id = (body as { data: { id: string }[] }).data[0]?.id;
      return id;
    })
    .toBeDefined();
  await send(feed, 400, {}, {}, '?status=odd');
  const own = '/api/webhook-messages/{id}';
  await send(`GET ${own}`, 200, { id });
  await send(`GET ${own}`, 404, { id: 'msg_none' });
  await send(`POST ${own}/resend`, 200, { id });
  await send(`POST ${own}/resend`, 400, { id }, { headers: { 'idempotency-key': 'a key' } });
  await send(`POST ${own}/resend`, 404, { id }, {}, `?endpoint_id=ep_${'0'.repeat(20)}`);
});

/** A refusal of a code, with the code of its problem. */
async function refused(call: string, status: number, code: string, body: Json, word: string) {
  expect((await send(call, status, { code }, { body })).body.code).toBe(word);
}

test('codes, from the grant to the redemption', async () => {
  const name = 'used';
  await send('POST /api/coupons', 201, {}, { body: { name, amount: 1, max_redemptions_per_code: 2 } });
  await send('POST /api/coupons/{name}/codes', 201, { name }, { body: { codes: ['uno', 'dos'] } });
  const assign = 'POST /api/codes/{code}/assign';
  await send(assign, 201, { code: 'uno' }, { body: { user_id: 'ada' } });
  await refused(assign, 409, 'uno', { user_id: 'grace' }, 'code_not_available');
  await refused(assign, 409, 'dos', { user_id: 'ada' }, 'quota_reached');
  await refused(assign, 404, 'nothing', { user_id: 'ada' }, 'code_not_found');
  const lock = 'POST /api/codes/{code}/lock';
  const unlock = 'POST /api/codes/{code}/unlock';
  const redeem = 'POST /api/codes/{code}/redeem';
  const ada = { user_id: 'ada' };
  await send(lock, 200, { code: 'Uno' }, { body: { ...ada, session_id: 'cart' } });
  for (const call of [lock, unlock, redeem]) {
    await refused(call, 409, 'uno', { ...ada, session_id: 'other' }, 'code_locked');
    await refused(call, 403, 'uno', { user_id: 'grace' }, 'not_owner');
    await refused(call, 409, 'dos', ada, 'code_not_assigned');
    await refused(call, 404, 'nothing', ada, 'code_not_found');
    await refused(call, 400, 'uno', {}, 'invalid_request');
  }
  await send(unlock, 200, { code: 'uno' }, { body: { ...ada, session_id: 'cart' } });
  await send('PATCH /api/coupons/{name}', 200, { name }, { body: { status: 'paused' } });
  for (const [call, code] of [
    [lock, 'uno'],
    [redeem, 'uno'],
    [assign, 'dos'],
  ] as const)
    await refused(call, 409, code, call === assign ? { user_id: 'eve' } : ada, 'coupon_inactive');
  const discount = { type: 'percentage', value: 12.5, minimum_order_value: 1000, currency: 'EUR' };
  await send('PATCH /api/coupons/{name}', 200, { name }, { body: { status: 'active', discount } });
  await refused(redeem, 409, 'uno', { ...ada, order_value: 999 }, 'minimum_not_met');
  const order = { ...ada, order_id: 'order 1', order_value: 1004 };
  const first = await send(redeem, 200, { code: 'uno' }, { body: order });
  expect(first.body).toMatchObject({ status: 'assigned', final: false, discount: 126, final_amount: 878 });
  await refused(redeem, 409, 'uno', order, 'order_already_used');
  await refused(redeem, 409, 'uno', ada, 'minimum_not_met');
  const second = await send(redeem, 200, { code: 'uno' }, { body: { ...ada, order_value: 1000 } });
  expect(second.body).toMatchObject({
    status: 'redeemed',
    final: true,
    redemption_count: 2,
    max_redemptions: 2,
  });
  for (const call of [lock, redeem]) await refused(call, 409, 'uno', ada, 'code_redeemed');
  expect((await send(unlock, 200, { code: 'uno' }, { body: ada })).body.status).toBe('redeemed');
  await send('GET /api/codes/{code}', 200, { code: 'uno' });
  await send('GET /api/codes/{code}', 404, { code: 'nothing' });
  const audit = await send('GET /api/codes/{code}/audit', 200, { code: 'uno' });
  expect((audit.body.data as Json[]).map(({ action }) => action)).toEqual([
    'assign',
    'lock',
    'unlock',
    'redeem',
    'redeem',
  ]);
  await send('GET /api/codes/{code}/audit', 404, { code: 'nothing' });
  await send('GET /api/users/{user_id}/codes', 200, { user_id: 'ada' });
  const stats = await send('GET /api/coupons/{name}/stats', 200, { name });
  expect(stats.body).toMatchObject({ total: 2, available: 1, assigned: 0, redeemed: 1, claims: 1 });
});

test('a coupon that granted units without codes gets no book', async () => {
  const name = 'no book';
  await send('POST /api/coupons', 201, {}, { body: { name, amount: 1 } });
  await send('POST /api/coupons/claim', 200, {}, { body: { user_id: 'ada', coupon_name: name } });
  for (const [call, body] of [
    ['generate', { quantity: 1 }],
    ['', { codes: ['x'] }],
  ] as const)
    await send(`POST /api/coupons/{name}/codes${call && `/${call}`}`, 409, { name }, { body });
});

test('what is for operators and readers', async () => {
  for (const call of Object.keys(contract).filter(call => /^GET \/(?!api)/.test(call))) await send(call, 200);
});
