import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@claimline/db/free-port';
import Stripe from 'stripe';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { providerSuite } from './provider.testsuite.ts';
import { ProviderAwayError } from './provider.ts';
import { createStripe } from './stripe.ts';

const webhookSecret = 'whsec_test';
const settings = { secretKey: 'sk_test_123', webhookSecret };
const startWithinMs = 30_000;

/** Where `go install github.com/stripe/stripe-mock` has put it, or null. */
function findStripeMock(): string | null {
  const { stdout } = spawnSync('go', ['env', 'GOPATH'], { encoding: 'utf8' });
  const folders = [stdout?.trim(), join(homedir(), 'go')].filter(Boolean);
  const candidates = ['stripe-mock', ...folders.map(folder => join(folder as string, 'bin', 'stripe-mock'))];
  return candidates.find(command => spawnSync(command, ['-version']).status === 0) ?? null;
}

const command = findStripeMock();
if (!command) {
  if (!process.env.CI)
    process.stderr.write('There is no stripe-mock: Stripe is tested without its own server.\n');
  test.skipIf(!process.env.CI)('there is a stripe-mock', () => {
    throw new Error('CI is set and there is no stripe-mock');
  });
}

describe.skipIf(!command)("on Stripe's own mock server", () => {
  let server: ChildProcess;
  let apiUrl: string;
  beforeAll(async () => {
    const port = await freePort();
    apiUrl = `http://127.0.0.1:${port}`;
    server = spawn(command as string, ['-http-addr', `127.0.0.1:${port}`], { stdio: 'ignore' });
    await vi.waitFor(() => fetch(apiUrl), { timeout: startWithinMs });
  }, startWithinMs);
  afterAll(() => {
    server.kill();
  });

  providerSuite(() => ({
    provider: createStripe({ ...settings, apiUrl }),
    token: 'pm_card_visa',
    isStateful: false,
    async deliver(chargeId, timestamp) {
      const object = { object: 'payment_intent', id: chargeId };
      const body = JSON.stringify({
        id: 'evt_1',
        object: 'event',
        type: 'payment_intent.succeeded',
        data: { object },
      });
      const value = new Stripe('sk_test_1').webhooks.generateTestHeaderString({
        payload: body,
        secret: webhookSecret,
        timestamp,
      });
      return { header: 'stripe-signature', value, body };
    },
  }));

  test('what it will not announce is refused and not an outage', async () => {
    const stripe = createStripe({ ...settings, apiUrl });
    const announced = { paymentId: 'pay_1', reservationId: 'r1', amount: 0.5, currency: 'EUR' };
    expect(await stripe.prepare(announced)).toEqual({ refusal: 'invalid_request_error' });
  });
});

type Reply = { status?: number; json: object };
type Heard = { call: string; key: string | undefined; sent: Record<string, string> };

describe('what Stripe may answer', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
    server?.closeAllConnections();
  });

  /** A server that gives one answer after the other and keeps what it was asked. */
  async function answering(...replies: Reply[]) {
    const heard: Heard[] = [];
    server = createServer(async (request, response) => {
      let body = '';
      for await (const part of request) body += part;
      const key = request.headers['idempotency-key'] as string | undefined;
      const call = `${request.method} ${request.url}`;
      heard.push({ call, key, sent: Object.fromEntries(new URLSearchParams(body)) });
      const { status = 200, json } = replies.shift() ?? { status: 500, json: {} };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    });
    await new Promise<void>(done => server?.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    return { stripe: createStripe({ ...settings, apiUrl: `http://127.0.0.1:${port}` }), heard };
  }
  const intent = (status: string, more: object = {}) => ({
    json: {
      object: 'payment_intent',
      id: 'pi_1',
      status,
      amount: 500,
      currency: 'eur',
      client_secret: 'cs',
      ...more,
    },
  });
  const failure = (status: number, error: object) => ({ status, json: { error } });
  const order = { paymentId: 'pay_1', token: 'pm_card_visa' };
  const announced = { paymentId: 'pay_1', reservationId: 'r1', amount: 500, currency: 'EUR' };

  test('amounts, currency, our ids and a key of ours go out', async () => {
    const { stripe, heard } = await answering(intent('requires_payment_method'), intent('succeeded'));
    expect(await stripe.prepare(announced)).toEqual({ id: 'pi_1' });
    expect(await stripe.charge('pi_1', order)).toEqual({
      ...{ id: 'pi_1', status: 'succeeded', amount: 500, currency: 'EUR', reason: null, clientSecret: null },
    });
    expect(heard).toMatchObject([
      {
        call: 'POST /v1/payment_intents',
        key: 'pay_1 prepare',
        sent: {
          amount: '500',
          currency: 'eur',
          'metadata[payment_id]': 'pay_1',
          'metadata[reservation_id]': 'r1',
        },
      },
      {
        call: 'POST /v1/payment_intents/pi_1/confirm',
        key: 'pay_1 charge',
        sent: { payment_method: 'pm_card_visa' },
      },
    ]);
  });

  test.each([
    ['succeeded', {}, 'succeeded', null, null],
    ['processing', {}, 'pending', null, 'cs'],
    ['requires_action', {}, 'pending', null, 'cs'],
    ['requires_payment_method', {}, 'open', null, 'cs'],
    [
      'requires_payment_method',
      { last_payment_error: { code: 'card_declined', decline_code: 'lost_card' } },
      'open',
      'lost_card',
      'cs',
    ],
    ['canceled', {}, 'failed', 'canceled', null],
    ['something_new', {}, 'pending', null, 'cs'],
  ])('an intent that is %s %j', async (status, more, becomes, reason, clientSecret) => {
    const { stripe } = await answering(intent(status, more));
    expect(await stripe.read('pi_1')).toMatchObject({ status: becomes, reason, clientSecret });
  });

  test('a declined card is an answer and not an outage', async () => {
    const declined = failure(402, {
      type: 'card_error',
      code: 'card_declined',
      decline_code: 'insufficient_funds',
    });
    const { stripe } = await answering(declined, intent('requires_payment_method'));
    expect(await stripe.charge('pi_1', order)).toMatchObject({
      status: 'failed',
      reason: 'insufficient_funds',
    });
  });

  test.each([
    [{ code: 'amount_too_small' }, 'amount_too_small'],
    [{ param: 'currency' }, 'invalid_request_error'],
  ])('a charge that Stripe will not have is refused, %j', async (error, refusal) => {
    const { stripe } = await answering(failure(400, { type: 'invalid_request_error', ...error }));
    expect(await stripe.prepare(announced)).toEqual({ refusal });
  });

  test('a call that is under way already leaves it open what came of it', async () => {
    const busy = failure(409, { type: 'invalid_request_error', code: 'idempotency_key_in_use' });
    const { stripe } = await answering(busy, busy);
    await expect(stripe.prepare(announced)).rejects.toThrow(ProviderAwayError);
  });

  test('a card that was declined, where the answer got lost, is found at the intent', async () => {
    const tried = intent('requires_payment_method', { last_payment_error: { code: 'card_declined' } });
    const lost = failure(500, { type: 'api_error' });
    const { stripe } = await answering(lost, lost, tried);
    expect(await stripe.charge('pi_1', order)).toMatchObject({ status: 'failed', reason: 'card_declined' });
  });

  test('an intent that was charged before answers what became of it', async () => {
    const again = failure(400, { type: 'invalid_request_error', code: 'payment_intent_unexpected_state' });
    const { stripe } = await answering(again, intent('succeeded'));
    expect(await stripe.charge('pi_1', order)).toMatchObject({ status: 'succeeded' });
  });

  test('without a token it is the payer’s turn, with the client secret', async () => {
    const { stripe, heard } = await answering(intent('requires_payment_method'));
    const charge = await stripe.charge('pi_1', { ...order, token: null });
    expect(charge).toMatchObject({ status: 'pending', clientSecret: 'cs' });
    expect(heard.map(({ call }) => call)).toEqual(['GET /v1/payment_intents/pi_1']);
  });

  const refused = failure(400, { type: 'invalid_request_error', code: 'payment_intent_unexpected_state' });

  test.each([
    ['succeeded', 'succeeded'],
    ['canceled', 'failed'],
    ['processing', 'pending'],
  ])('a cancel that is refused of an intent that is %s', async (status, becomes) => {
    const { stripe } = await answering(refused, intent(status));
    expect(await stripe.cancel('pi_1')).toMatchObject({ status: becomes });
  });

  test.each([{}, { last_payment_error: { code: 'card_declined' } }])(
    'a cancel that is refused of an intent that can still be paid is asked again, %j',
    async more => {
      const open = intent('requires_payment_method', more);
      const { stripe, heard } = await answering(refused, open, intent('canceled'));
      await expect(stripe.cancel('pi_1')).rejects.toThrow(ProviderAwayError);
      expect(await stripe.cancel('pi_1')).toMatchObject({ status: 'failed' });
      const keys = heard.filter(({ call }) => call.endsWith('/cancel')).map(({ key }) => key);
      expect(keys.length).toBe(2);
      // Stripe would answer the same key with the same refusal.
      expect(keys[0] === undefined || keys[0] !== keys[1]).toBe(true);
    },
  );

  const refund = { refundId: 'rfd_1', chargeId: 'pi_1', amount: 5, currency: 'EUR', refusals: 0 };
  const made = (id: string, status: string, metadata: object) => ({
    ...{ object: 'refund', id, status, metadata: { refund_id: 'rfd_1', ...metadata } },
  });
  const listed = (...data: object[]) => ({ json: { object: 'list', data } });
  const listCall = 'GET /v1/refunds?payment_intent=pi_1&limit=100';

  test('a refund that was made when nobody heard of it is found, and not made again', async () => {
    const ours = { id: 're_1', status: 'succeeded', metadata: { refund_id: 'rfd_1' } };
    const { stripe, heard } = await answering(listed(ours));
    expect(await stripe.refund(refund)).toEqual({ id: 're_1', status: 'succeeded', reason: null });
    expect(heard.map(({ call }) => call)).toEqual([listCall]);
  });

  test('a refund that was refused is asked for with another key, and not while an earlier try stands', async () => {
    const empty = failure(400, { type: 'invalid_request_error', code: 'balance_insufficient' });
    const [failed, standing] = [made('re_1', 'failed', {}), made('re_2', 'pending', { refusals: '1' })];
    const again = { ...refund, refusals: 1 };
    const { stripe, heard } = await answering(
      ...[listed(), empty, listed(), { json: made('re_2', 'succeeded', { refusals: '1' }) }],
      ...[listed(failed), listed(standing, failed)],
    );
    expect((await stripe.refund(refund)).status).toBe('failed');
    expect(await stripe.refund(again)).toMatchObject({ id: 're_2', status: 'succeeded' });
    // The try that has failed is that of no refusal; later ones are others.
    expect(await stripe.refund(refund)).toMatchObject({ id: 're_1', status: 'failed' });
    expect(await stripe.refund({ ...refund, refusals: 2 })).toMatchObject({ id: 're_2', status: 'pending' });
    expect(heard.map(({ call, key, sent }) => [call, key, sent['metadata[refusals]']])).toEqual([
      [listCall, undefined, undefined],
      ['POST /v1/refunds', 'rfd_1 refund', undefined],
      [listCall, undefined, undefined],
      ['POST /v1/refunds', 'rfd_1 refund 1', '1'],
      [listCall, undefined, undefined],
      [listCall, undefined, undefined],
    ]);
  });

  test.each([
    ['refund.failed', { object: 'refund', id: 're_1', payment_intent: 'pi_1' }, 're_1'],
    ['charge.refund.updated', { object: 'refund', id: 're_1', payment_intent: { id: 'pi_1' } }, 're_1'],
    ['charge.refunded', { object: 'charge', id: 'ch_1', payment_intent: 'pi_1' }, null],
  ])('%s says which charge and which refund it is about', async (type, object, refundId) => {
    const { stripe } = await answering();
    const payload = JSON.stringify({ id: 'evt_1', object: 'event', type, data: { object } });
    const value = new Stripe('sk_test_1').webhooks.generateTestHeaderString({
      payload,
      secret: webhookSecret,
    });
    const notice = await stripe.readNotice({ header: () => value, body: Buffer.from(payload) });
    expect(notice).toEqual({ id: 'evt_1', type, chargeId: 'pi_1', refundId });
  });

  test('a refund that Stripe refuses has failed', async () => {
    const refused = failure(400, { type: 'invalid_request_error', code: 'charge_already_refunded' });
    const { stripe } = await answering(listed(), refused);
    expect(await stripe.refund(refund)).toMatchObject({
      status: 'failed',
      reason: 'charge_already_refunded',
    });
  });

  test.each([
    ['is out of order', failure(500, { type: 'api_error' })],
    ['does not know our key', failure(401, { type: 'invalid_request_error' })],
  ])('a Stripe that %s leaves it open what came of the call', async (_, reply) => {
    const { stripe } = await answering(reply, reply);
    await expect(stripe.read('pi_1')).rejects.toThrow(ProviderAwayError);
  });
});
