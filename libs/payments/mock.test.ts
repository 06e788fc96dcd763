import { createServer } from 'node:http';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createMock } from './mock.ts';
import { readMockSecret, signMock } from './mock-signature.ts';
import { mockTokens } from './mock-tokens.ts';
import { sendMockWebhooks } from './mock-webhooks.ts';
import { providerSuite } from './provider.testsuite.ts';
import type { Provider } from './provider.ts';

let database: TestDatabase;
let sql: Sql;
let mock: Provider;
let notifyUrl: string | null = null;
beforeAll(async () => {
  database = await createTestDatabase();
  sql = openPool({ url: database.url, applicationName: 'test mock' });
  mock = createMock(sql, () => notifyUrl);
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

providerSuite(() => ({
  provider: mock,
  token: 'tok_ok',
  isStateful: true,
  async deliver(chargeId, sentS) {
    const body = JSON.stringify({ id: 'evt_1', type: 'charge.succeeded', charge_id: chargeId });
    return { header: 'mock-signature', value: signMock(await readMockSecret(sql), body, sentS), body };
  },
}));

let count = 0;
async function charge(token: string | null) {
  const paymentId = `pay_${++count}`;
  await mock.prepare({ paymentId, reservationId: 'r', amount: 500, currency: 'EUR' });
  return mock.charge(`mock_${paymentId}`, { paymentId, token });
}
const passTime = () => sql`update mock_charges set settles_at = now() where settles_at is not null`;

test('the token says what comes of a charge', async () => {
  const outcomes: Record<string, unknown> = {};
  for (const token of [...Object.keys(mockTokens), 'tok_unheard_of', null])
    outcomes[token ?? 'none'] = await charge(token).then(
      ({ status, reason }) => [status, reason],
      error => error.name,
    );
  expect(outcomes).toEqual({
    tok_ok: ['succeeded', null],
    tok_declined: ['failed', 'card_declined'],
    tok_insufficient_funds: ['failed', 'insufficient_funds'],
    tok_pending: ['pending', null],
    tok_pending_succeeds: ['pending', null],
    tok_pending_fails: ['pending', null],
    tok_answer_lost: 'ProviderAwayError',
    tok_refund_fails: ['succeeded', null],
    tok_unheard_of: ['failed', 'unknown_token'],
    none: ['succeeded', null],
  });
});

test('a pending charge is decided later, or canceled before', async () => {
  const [good, bad, canceled] = [
    await charge('tok_pending_succeeds'),
    await charge('tok_pending_fails'),
    await charge('tok_pending_succeeds'),
  ];
  expect(await mock.cancel(canceled.id)).toMatchObject({ status: 'failed', reason: 'canceled' });
  await passTime();
  expect(await mock.read(good.id)).toMatchObject({ status: 'succeeded' });
  expect(await mock.read(bad.id)).toMatchObject({ status: 'failed', reason: 'payment_not_completed' });
  expect(await mock.read(canceled.id)).toMatchObject({ status: 'failed', reason: 'canceled' });
  expect(await mock.cancel(good.id)).toMatchObject({ status: 'succeeded' });
});

test('a charge whose answer is lost is found by its id', async () => {
  await expect(charge('tok_answer_lost')).rejects.toThrow('cannot be reached');
  expect(await mock.read(`mock_pay_${count}`)).toMatchObject({ status: 'succeeded' });
});

test('webhooks are sent until they are taken', async () => {
  const heard: unknown[] = [];
  let status = 500;
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    const header = (name: string) => request.headers[name] as string | undefined;
    heard.push([(await mock.readNotice({ header, body }))?.type, JSON.parse(body.toString()).charge_id]);
    response.writeHead(status).end();
  });
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  notifyUrl = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
  const { id } = await charge('tok_pending_succeeds');
  await passTime();
  const sendDue = async () => {
    await sql`update mock_webhooks set due_at = now()`;
    return sendMockWebhooks(sql);
  };
  const both = [
    ['charge.pending', id],
    ['charge.succeeded', id],
  ];
  expect(await sendDue()).toBe(0);
  expect(heard.toSorted()).toEqual(both);
  status = 204;
  expect(await sendDue()).toBe(2);
  expect(heard.toSorted()).toEqual([...both, ...both].toSorted());
  expect(await sendDue()).toBe(0);
  expect(heard.length).toBe(4);
  server.close();
});

test('a refund that was refused is judged again when that was noted, one that was made is not', async () => {
  const { id: chargeId } = await charge('tok_refund_fails');
  const statusOf = async (refusals: number) =>
    (await mock.refund({ refundId: 'rfd_again', chargeId, amount: 500, currency: 'EUR', refusals })).status;
  expect([await statusOf(0), await statusOf(1)]).toEqual(['failed', 'failed']);
  await sql`update mock_charges set token = 'tok_ok' where id = ${chargeId}`;
  expect([await statusOf(1), await statusOf(2), await statusOf(3)]).toEqual([
    'failed',
    'succeeded',
    'succeeded',
  ]);
  const [row] = await sql`select refunded_amount from mock_charges where id = ${chargeId}`;
  expect(row?.refunded_amount).toBe(500);
});

test('webhooks that cannot be verified while Postgres is away are verified when it is back', async () => {
  const body = JSON.stringify({ id: 'evt_1', type: 'charge.succeeded', charge_id: 'x' });
  const signature = signMock(await readMockSecret(sql), body);
  const fresh = createMock(sql, () => null);
  const read = () => fresh.readNotice({ header: () => signature, body: Buffer.from(body) });
  await sql`alter table installation rename to installation_away`;
  await expect(read()).rejects.toThrow('installation');
  await sql`alter table installation_away rename to installation`;
  expect(await read()).toMatchObject({ id: 'evt_1', refundId: null });
});
