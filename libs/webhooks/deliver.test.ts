import { randomBytes } from 'node:crypto';
import { type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { parseAllowList } from './allow-list.ts';
import { createAttempts, type Outcome } from './attempts.ts';
import { deliver } from './deliver.ts';
import { relayOutbox } from './relay.ts';
import { createSeal } from './secret.ts';
import { createSender } from './send.ts';
import { newSecret } from './sign.ts';
import { deliveriesTo, insertCoupon, insertEndpoint, openWebhookDatabase, settleClaims } from './testing.ts';

const database = await openWebhookDatabase();
const { sql } = database;
afterAll(() => database.close());

const { signal } = new AbortController();
const sender = createSender({ allow: parseAllowList('127.0.0.0/8') });
const seal = createSeal([randomBytes(32)]);
const disabled: string[] = [];
const schedule = { waitsMs: [0, 1000], throttledMs: 0 };
const attempts = createAttempts({
  sql,
  schedule,
  disableAfterS: 60,
  signal,
  onDisabled: (_, reason) => void disabled.push(reason),
});
const house = { attempts, sender, seal, schedule, signal };

let receiver: Receiver;
let endpoint: string;
beforeEach(async () => {
  await sql`truncate webhook_endpoints, outbox, webhook_messages, webhook_deliveries, webhook_lanes, webhook_attempts`;
  disabled.splice(0);
  receiver = await startReceiver();
  endpoint = await insertEndpoint(sql, { url: receiver.url, event_types: ['claim.granted'] });
  const secrets = [{ sealed: seal.seal(newSecret(), endpoint), until: null }];
  await sql`update webhook_endpoints set secrets = ${sql.json(secrets)}`;
});
afterEach(() => receiver.close());
afterAll(() => sender.close());

/** Messages of so many claims, for the endpoint; returns the deliveries. */
async function insertDeliveries(count: number): Promise<number[]> {
  const people = Array.from({ length: count }, (_, i) => `person ${i}`);
  await settleClaims(sql, await insertCoupon(sql, count), people);
  await relayOutbox(sql);
  return (await deliveriesTo(sql, endpoint)).map(({ id }) => id);
}

test('a job that finds its endpoint disabled lets go of the delivery: it may be enabled before a sweep', async () => {
  const [delivery = 0] = await insertDeliveries(1);
  await sql`update webhook_deliveries set is_queued = true, due_at = now() + interval '1 min'`;
  await sql`update webhook_endpoints set status = 'disabled', disabled_at = now(), disabled_reason = 'operator'`;
  expect(await deliver({ delivery, run: 1 }, house)).toBe('held');
  expect(
    await sql`
      select status, attempts, run, is_queued, due_at > now() and due_at < now() + interval '10 s' as is_soon
      from webhook_deliveries`,
  ).toEqual([{ status: 'pending', attempts: 0, run: 2, is_queued: false, is_soon: true }]);
  expect(await sql`select from webhook_attempts`).toHaveLength(0);
});

test('of an answer the first thousand characters are kept, and no half of one', async () => {
  const [delivery = 0] = await insertDeliveries(1);
  receiver.behave({ status: 200, body: `a${'\u{1f39f}'.repeat(1500)}` });
  expect(await deliver({ delivery, run: 1 }, house)).toBe('delivered');
  expect(await sql`select body from webhook_attempts`).toEqual([{ body: `a${'\u{1f39f}'.repeat(999)}` }]);
});

test('a receiver that wants no more of some messages is as well as one that takes them', async () => {
  receiver.behave({ status: 400, headers: { 'webhook-delivery': 'abort-message' } });
  for (const delivery of await insertDeliveries(12))
    expect(await deliver({ delivery, run: 1 }, house)).toBe('aborted');
  expect(receiver.received).toHaveLength(12);
  expect(await sql`select distinct status from webhook_deliveries`).toEqual([{ status: 'exhausted' }]);
  expect(await sql`select open_until, failing_since, failures from webhook_lanes`).toEqual([
    { open_until: null, failing_since: null, failures: 0 },
  ]);
  expect(await sql`select from webhook_attempts where not has_succeeded`).toHaveLength(12);
});

test('a secret that does not open is no failure of the receiver', async () => {
  const elsewhere = createSeal([randomBytes(32)]);
  for (const delivery of await insertDeliveries(12))
    expect(await deliver({ delivery, run: 1 }, { ...house, seal: elsewhere })).toBe('retry');
  expect(await sql`select open_until, failing_since, failures, window_attempts from webhook_lanes`).toEqual([
    { open_until: null, failing_since: null, failures: 0, window_attempts: 0 },
  ]);
  const tried = await sql<{ error: string }[]>`select error from webhook_attempts`;
  expect(tried).toHaveLength(12);
  for (const { error } of tried) expect(error).toMatch(/^the secret cannot be opened: /);
});

test('what an endpoint failed before a long silence is not held against it', async () => {
  receiver.behave({ status: 502 });
  const [first = 0, ...others] = await insertDeliveries(9);
  for (const delivery of others) await deliver({ delivery, run: 1 }, house);
  const pass = (time: string) => sql`
    update webhook_lanes
    set failing_since = failing_since - ${time}::interval, window_started_at = window_started_at - ${time}::interval`;
  await pass('1 week');
  expect(await deliver({ delivery: first, run: 1 }, house)).toBe('retry');
  expect(
    await sql`select failures, failing_since > now() - interval '1 day' as is_anew from webhook_lanes`,
  ).toEqual([{ failures: 1, is_anew: true }]);
  expect(await sql`select status from webhook_endpoints`).toEqual([{ status: 'enabled' }]);
  // A silence that is no longer than a wait may be is none: the failures add up.
  for (const delivery of others) await deliver({ delivery, run: 2 }, house);
  await pass('1 day');
  await deliver({ delivery: first, run: 2 }, house);
  expect(disabled).toEqual(['failing']);
});

test.each([410, 500])(
  'an address that was left and answers %i late says nothing of the new one',
  async status => {
    const deliveries = await insertDeliveries(12);
    receiver.behave({ status });
    let move = () => {};
    const moved = new Promise<void>(resolve => {
      move = resolve;
    });
    const lateAttempts = {
      ...attempts,
      async record(outcome: Outcome) {
        await moved;
        await attempts.record(outcome);
      },
    };
    const late = deliveries.map(delivery =>
      deliver({ delivery, run: 1 }, { ...house, attempts: lateAttempts }),
    );
    await expect.poll(() => receiver.received.length, { timeout: 15_000 }).toBe(12);
    await sql`update webhook_endpoints set url = ${receiver.url.replace('/webhooks', '/moved')}`;
    move();
    await Promise.all(late);
    expect(await sql`select status from webhook_endpoints`).toEqual([{ status: 'enabled' }]);
    expect(disabled).toEqual([]);
    expect(await sql`select distinct status, attempts from webhook_deliveries`).toEqual([
      { status: 'pending', attempts: 1 },
    ]);
    expect(await sql`select open_until, failing_since, failures from webhook_lanes`).toEqual([
      { open_until: null, failing_since: null, failures: 0 },
    ]);
    expect(await sql`select from webhook_attempts`).toHaveLength(12);
  },
);
