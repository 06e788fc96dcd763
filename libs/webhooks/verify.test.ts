import { runChecks } from '@claimline/db/checks';
import { closePool, openPool } from '@claimline/db/pool';
import { transaction } from '@claimline/db/transaction';
import { withLimits } from '@claimline/queue/testing';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { pruneLimits, pruneMessages } from './prune.ts';
import { recoverEndpoint } from './recover.ts';
import { relayOutbox } from './relay.ts';
import { resendMessage } from './resend.ts';
import { exhaustDisabled } from './sweep.ts';
import { insertCoupon, insertEndpoint, openWebhookDatabase, settleClaims, someoneWaits } from './testing.ts';
import { webhookCheck } from './verify.ts';

const database = await openWebhookDatabase();
const { sql } = database;
let endpoint: string;
afterAll(() => database.close());
beforeEach(async () => {
  await sql`truncate webhook_endpoints, outbox, webhook_messages, webhook_deliveries, webhook_lanes, webhook_subjects, webhook_attempts`;
  await sql`truncate coupons, claims, refusals cascade`;
  endpoint = await insertEndpoint(sql);
  await sql`update webhook_endpoints set created_at = now() - interval '2 minutes', updated_at = now() - interval '2 minutes'`;
  const coupon = await insertCoupon(sql, 2);
  await settleClaims(sql, coupon, ['ada', 'bob', 'cy']);
});

/** What is violated, and what is noted, by how many rows. */
async function found(coupon: string | null = null) {
  const verdicts = await runChecks(database.url, [webhookCheck], { coupon });
  return Object.fromEntries(
    verdicts
      .filter(one => one.violations + one.notes > 0)
      .map(one => [one.name, [one.violations, one.notes]]),
  );
}

test('nothing is found in what waits, in what was relayed, and in what was pruned', async () => {
  expect(await found()).toEqual({});
  await relayOutbox(sql);
  expect(await found()).toEqual({});
  await sql`update webhook_messages set created_at = now() - interval '40 days' where event_sequence < 3`;
  await sql`update claims set created_at = now() - interval '40 days'`;
  expect(await pruneMessages(sql, 30)).toBe(2);
  expect(await sql`select event_sequence from webhook_messages order by 1`).toHaveLength(2);
  expect(await sql`select from webhook_deliveries`).toHaveLength(2);
  expect(await found()).toEqual({});
});

test('a message that is older than the one before it is kept with that one', async () => {
  await relayOutbox(sql);
  await sql`
    update webhook_messages set created_at = now() - interval '30 days' + interval '1 hour' * case event_sequence
      when 1 then -1 when 2 then 1 when 3 then -1 else 24 end`;
  expect(await pruneMessages(sql, 30)).toBe(1);
  expect(await sql`select event_sequence from webhook_messages order by 1`).toEqual(
    [2, 3, 4].map(event_sequence => ({ event_sequence })),
  );
});

test('what is pruned in bites is all pruned in the end', async () => {
  await relayOutbox(sql);
  await sql`update webhook_messages set created_at = now() - interval '40 days'`;
  await withLimits(pruneLimits, { bite: 3 }, async () => {
    expect(await pruneMessages(sql, 30)).toBe(4);
  });
  expect(await sql`select from webhook_deliveries`).toHaveLength(0);
});

test.each(['resend', 'recover'])('to %s what is being pruned leaves nothing behind', async way => {
  await relayOutbox(sql);
  const [message] = await sql<{ id: string }[]>`select id from webhook_messages where event_sequence = 1`;
  const patient = openPool({ url: database.url, applicationName: 'test resend', lockTimeoutMs: 0 });
  try {
    const { again } = await transaction(database.url, async tx => {
      await tx`update webhook_messages set created_at = now() - interval '40 days'`;
      await pruneMessages(tx, 30);
      const again = Promise.allSettled([
        way === 'resend'
          ? resendMessage(patient, message?.id ?? '', endpoint)
          : recoverEndpoint(patient, endpoint, '2000-01-01T00:00:00Z'),
      ]);
      await Promise.race([again, someoneWaits(sql)]);
      return { again };
    });
    const [outcome] = await again;
    expect(outcome).toMatchObject(
      way === 'resend'
        ? { status: 'rejected', reason: { problem: { code: 'message_not_found' } } }
        : { status: 'fulfilled', value: { recovered: 0 } },
    );
  } finally {
    await closePool(patient);
  }
  expect(await sql`select from webhook_deliveries`).toHaveLength(0);
});

test.each(['resend', 'recover'])('what is pruned just after a %s leaves nothing behind', async way => {
  await sql`update webhook_endpoints set status = 'disabled', disabled_at = now(), disabled_reason = 'gone'`;
  await relayOutbox(sql);
  await sql`update webhook_endpoints set status = 'enabled', disabled_at = null, disabled_reason = null`;
  await sql`update webhook_messages set created_at = now() - interval '40 days'`;
  const [message] = await sql<{ id: string }[]>`select id from webhook_messages where event_sequence = 1`;
  const patient = openPool({ url: database.url, applicationName: 'test prune', lockTimeoutMs: 0 });
  try {
    const { pruning } = await transaction(database.url, async tx => {
      if (way === 'resend') await resendMessage(tx, message?.id ?? '', endpoint);
      else await recoverEndpoint(tx, endpoint, '2000-01-01T00:00:00Z');
      expect((await tx`select from webhook_deliveries`).length).toBeGreaterThan(0);
      const pruning = pruneMessages(patient, 30);
      await Promise.race([pruning, someoneWaits(sql)]);
      return { pruning };
    });
    expect(await pruning).toBe(4);
  } finally {
    await closePool(patient);
  }
  expect(await sql`select from webhook_deliveries`).toHaveLength(0);
});

test('where there is no endpoint, nothing is to be told', async () => {
  await sql`delete from outbox`;
  expect(await found()).toEqual({ 'every-outcome-is-told-once': [3, 0] });
  await sql`delete from webhook_endpoints`;
  expect(await found()).toEqual({});
});

test.each([
  [
    'an outcome without a message',
    'delete from webhook_messages where event_sequence = 1',
    { 'every-outcome-is-told-once': [1, 0] },
  ],
  ['an outbox row that vanished', 'delete from outbox', { 'every-outcome-is-told-once': [3, 0] }],
  [
    'a gap',
    'delete from webhook_messages where event_sequence = 4',
    { 'events-are-numbered-without-gaps': [1, 0] },
  ],
  [
    'an endpoint that is not told',
    'delete from webhook_deliveries where id in (select min(id) from webhook_deliveries)',
    { 'every-endpoint-is-told': [1, 0] },
  ],
  [
    'a delivery that nobody makes',
    "update webhook_deliveries set due_at = now() - interval '1 hour' where id in (select min(id) from webhook_deliveries)",
    { 'no-delivery-is-forgotten': [0, 1] },
  ],
  [
    'a delivery that nobody makes, of a receiver that is spared no more',
    `with lane as (update webhook_lanes set open_until = now() - interval '1 hour')
      update webhook_deliveries set due_at = now() - interval '1 hour' where id in (select min(id) from webhook_deliveries)`,
    { 'no-delivery-is-forgotten': [0, 1] },
  ],
  [
    'a delivery that nobody has made for a day',
    "update webhook_deliveries set due_at = now() - interval '25 hours' where id in (select min(id) from webhook_deliveries)",
    { 'no-delivery-is-forgotten': [1, 0] },
  ],
])('%s is named', async (_, breakIt, expected) => {
  if (!breakIt.includes('outbox')) await relayOutbox(sql);
  await sql.unsafe(breakIt);
  expect(await found()).toEqual(expected);
  const [{ name } = { name: '' }] = await sql<{ name: string }[]>`select name from coupons`;
  expect(await found(name)).toEqual(expected);
});

test('who deletes an endpoint deletes what it had still to be told', async () => {
  await relayOutbox(sql);
  await sql`update webhook_deliveries set status = 'exhausted' where id in (select min(id) from webhook_deliveries)`;
  await sql`delete from webhook_endpoints where id = ${endpoint}`;
  expect(await exhaustDisabled(sql)).toBe(4);
  expect(await sql`select from webhook_deliveries`).toHaveLength(0);
  expect(await found()).toEqual({});
});
