import { transaction } from '@claimline/db/transaction';
import { type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

type Message = {
  id: string;
  type: string;
  data: Record<string, unknown>;
  deliveries: { endpoint_id: string | null; callback_url: string | null; status: string; attempts: number }[];
};
type Answer = { status: number; text: string; body: Record<string, unknown> & { data: Message[] } };

const KEY = 'operator-key-of-a-test';
const within = { timeout: 15_000, interval: 50 };
let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let processes: Process[];
let base: string;
let receiver: Receiver;

beforeAll(async () => {
  database = await createProcessDatabase();
  receiver = await startReceiver();
  const env = {
    DATABASE_URL: database.url,
    OPERATOR_KEY: KEY,
    PORT: '0',
    WEBHOOK_ALLOW_HOSTS: '127.0.0.1',
    WEBHOOK_SCHEDULE_SECONDS: '0,0.1,0.1',
  };
  processes = [startProcess('api', env), startProcess('worker', env)];
  base = await processes[0]!.ready;
  await processes[1]!.ready;
});
afterAll(async () => {
  await Promise.all([...processes.map(one => one.stop()), receiver.close()]);
  await database.drop();
});
beforeEach(async () => {
  receiver.behave({});
  receiver.received.splice(0);
  const { body } = await call('GET', '/api/webhook-endpoints');
  for (const { id } of body.data) await call('DELETE', `/api/webhook-endpoints/${id}`);
});

async function call(method: string, path: string, body?: unknown, key = KEY): Promise<Answer> {
  const response = await fetch(base + path, {
    method,
    headers: { 'content-type': 'application/json', ...(key !== '' && { authorization: `Bearer ${key}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, body: text === '' ? {} : JSON.parse(text) };
}

async function createEndpoint(more: Record<string, unknown> = {}): Promise<string> {
  const { status, body, text } = await call('POST', '/api/webhook-endpoints', { url: receiver.url, ...more });
  expect(status, text).toBe(201);
  return body.id as string;
}

let coupons = 0;
async function createCoupon(amount = 10): Promise<string> {
  const name = `told ${++coupons}`;
  expect((await call('POST', '/api/coupons', { name, amount })).status).toBe(201);
  return name;
}

function claim(name: string, user: string, more: Record<string, unknown> = {}, key = '') {
  return call('POST', `/api/coupons/${encodeURIComponent(name)}/claims`, { user_id: user, ...more }, key);
}

const feedOf = async (name: string, more = '') =>
  (await call('GET', `/api/webhook-messages?coupon=${encodeURIComponent(name)}${more}`)).body.data;
const statusesOf = async (name: string) =>
  (await feedOf(name)).flatMap(({ deliveries }) => deliveries.map(({ status }) => status));
const idsAt = () => receiver.received.map(({ headers }) => headers['webhook-id']);

test('a claim is told, and the feed and the attempt log say so', async () => {
  const endpoint = await createEndpoint();
  const name = await createCoupon(1);
  const { body } = await claim(name, 'ada');
  await expect.poll(() => statusesOf(name), within).toEqual(['delivered', 'delivered']);
  const feed = await feedOf(name);
  expect(feed.map(message => [message.type, message.data.event_sequence])).toEqual([
    ['claim.granted', 1],
    ['coupon.sold_out', 2],
  ]);
  expect(feed[0]?.data).toMatchObject({ ticket: body.ticket, user_id: 'ada', coupon_name: name });
  expect(idsAt().sort()).toEqual(feed.map(({ id }) => id).sort());
  const attempts = (await call('GET', `/api/webhook-endpoints/${endpoint}/attempts?status=succeeded`)).body
    .data;
  expect(attempts).toHaveLength(2);
  expect(attempts[0]).toMatchObject({ attempt: 1, reason: 'event', status_code: 204, error: null });
  const failed = await call('GET', `/api/webhook-endpoints/${endpoint}/attempts?status=failed`);
  expect(failed.body).toEqual({ data: [], next_cursor: null });
});

test('the feed goes on where it was left', async () => {
  await createEndpoint({ event_types: ['booking.confirmed'] });
  const name = await createCoupon();
  for (const user of ['ada', 'bob', 'cy']) await claim(name, user);
  await expect.poll(async () => (await feedOf(name)).length, within).toBe(3);
  const seen: unknown[] = [];
  let cursor = '';
  for (const pages of [2, 1, 0]) {
    const { body } = await call(
      'GET',
      `/api/webhook-messages?coupon=${encodeURIComponent(name)}&limit=2${cursor}`,
    );
    expect(body.data).toHaveLength(pages);
    expect(body.next_cursor === null).toBe(pages < 2);
    seen.push(...body.data.map(message => message.data.event_sequence));
    cursor = `&cursor=${body.cursor}`;
  }
  expect(seen).toEqual([1, 2, 3]);
  await claim(name, 'dan');
  const rest = `/api/webhook-messages?coupon=${encodeURIComponent(name)}${cursor}`;
  await expect
    .poll(async () => (await call('GET', rest)).body.data.map(one => one.data.user_id), within)
    .toEqual(['dan']);
});

test('what is exhausted is listed, counted, and sent again by one who asks', async () => {
  receiver.behave({ status: 500, body: 'out of order' });
  const name = await createCoupon();
  const endpoint = await createEndpoint({ event_types: ['claim.granted'], coupons: [name] });
  await claim(name, 'ada');
  await claim(name, 'bob');
  await expect.poll(async () => (await feedOf(name, '&status=exhausted')).length, within).toBe(2);
  expect(await metric('claimline_webhook_deliveries{status="exhausted"}')).toBeGreaterThanOrEqual(2);
  const attempts = (await call('GET', `/api/webhook-endpoints/${endpoint}/attempts?status=failed`)).body.data;
  expect(attempts.map(one => (one as unknown as { attempt: number }).attempt).sort()).toEqual([
    1, 1, 2, 2, 3, 3,
  ]);
  expect(attempts[0]).toMatchObject({ status_code: 500, response_body: 'out of order' });

  receiver.behave({});
  const before = receiver.received.length;
  const [first] = await feedOf(name);
  const resent = await call('POST', `/api/webhook-messages/${first!.id}/resend`);
  expect([resent.status, resent.body]).toEqual([200, { resent: 1 }]);
  await expect.poll(() => statusesOf(name), within).toEqual(['delivered', 'exhausted']);
  const recovered = await call('POST', `/api/webhook-endpoints/${endpoint}/recover`, {
    since: '2020-01-01T00:00:00Z',
  });
  expect([recovered.status, (recovered.body as Record<string, unknown>).recovered]).toEqual([200, 1]);
  await expect.poll(() => statusesOf(name), within).toEqual(['delivered', 'delivered']);
  expect(receiver.received.length - before).toBe(2);
  expect(new Set(idsAt()).size).toBe(2);
});

test('a disabled endpoint catches up once it is enabled, and hears nothing before', async () => {
  const endpoint = await createEndpoint({ event_types: ['claim.granted'] });
  const at = `/api/webhook-endpoints/${endpoint}`;
  expect((await call('PATCH', at, { status: 'disabled' })).status).toBe(200);
  const name = await createCoupon();
  await claim(name, 'ada');
  await expect.poll(async () => (await feedOf(name)).length, within).toBe(1);
  const [message] = await feedOf(name);
  expect(message?.deliveries).toEqual([]);
  const since = { since: '2020-01-01T00:00:00Z' };
  expect((await call('POST', `${at}/recover`, since)).body).toMatchObject({ code: 'endpoint_disabled' });
  const toIt = `/api/webhook-messages/${message!.id}/resend?endpoint_id=${endpoint}`;
  expect((await call('POST', toIt)).body).toMatchObject({ status: 409, code: 'endpoint_disabled' });
  await call('PATCH', at, { status: 'enabled' });
  expect((await call('POST', toIt)).body).toEqual({ resent: 1 });
  await expect.poll(() => statusesOf(name), within).toEqual(['delivered']);
  expect(receiver.received).toHaveLength(1);
});

test('to recover while a relay takes long is to be tried again', async () => {
  const endpoint = await createEndpoint();
  await transaction(database.url, async tx => {
    await tx`select pg_advisory_xact_lock(hashtextextended('claimline webhook relay', 0))`;
    const response = await fetch(`${base}/api/webhook-endpoints/${endpoint}/recover`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
      body: JSON.stringify({ since: '2020-01-01T00:00:00Z' }),
    });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
  });
});

test('a claim of a caller with a key is told to its own address, and to no private one', async () => {
  const name = await createCoupon();
  const callback_url = receiver.url.replace('/webhooks', '/told?order=7');
  const open = await claim(name, 'ada', { callback_url });
  expect([open.status, open.body.code]).toEqual([401, 'unauthorized']);
  const inward = await claim(name, 'ada', { callback_url: 'http://169.254.169.254/' }, KEY);
  expect([inward.status, inward.body.errors]).toMatchObject([400, [{ path: 'callback_url' }]]);
  const rotated = await call('POST', '/api/webhook-callbacks/rotate-secret', {});
  const accepted = await claim(name, 'ada', { callback_url, metadata: { cart: 7 } }, KEY);
  expect(accepted.status).toBe(202);
  await expect.poll(() => receiver.received.length, within).toBe(1);
  const { path, body: text, headers } = receiver.received[0]!;
  new Webhook(String(rotated.body.secret)).verify(text, headers as Record<string, string>);
  expect(path).toBe('/told?order=7');
  expect(JSON.parse(text).data).toMatchObject({ ticket: accepted.body.ticket, metadata: { cart: 7 } });
  await expect
    .poll(async () => (await feedOf(name))[0]?.deliveries, within)
    .toMatchObject([{ endpoint_id: null, callback_url, status: 'delivered', attempts: 1 }]);
});

test.each([
  ['GET', '/api/webhook-messages/msg_none', 404, 'message_not_found'],
  ['GET', `/api/webhook-messages/msg_${'0'.repeat(32)}_1`, 404, 'message_not_found'],
  ['POST', `/api/webhook-messages/msg_${'0'.repeat(32)}_1/resend`, 404, 'message_not_found'],
  ['GET', `/api/webhook-endpoints/ep_${'0'.repeat(25)}/attempts`, 404, 'endpoint_not_found'],
  ['GET', '/api/webhook-messages?status=lost', 400, 'invalid_request'],
  ['GET', '/api/webhook-messages?type=claim.lost', 400, 'invalid_request'],
])('%s %s answers %i %s', async (method, path, status, code) => {
  expect((await call(method, path)).body).toMatchObject({ status, code });
});

async function metric(name: string): Promise<number> {
  const response = await fetch(`${base}/metrics`, { headers: { authorization: `Bearer ${KEY}` } });
  const line = (await response.text()).split('\n').find(text => text.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}
