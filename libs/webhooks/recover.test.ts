import { transaction } from '@claimline/db/transaction';
import { withLimits } from '@claimline/queue/testing';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { createRecovery, recoverEndpoint, recoverLimits } from './recover.ts';
import { relayOutbox } from './relay.ts';
import {
  deliveriesTo,
  insertCoupon,
  insertEndpoint,
  openWebhookDatabase,
  settleClaims,
  someoneWaits,
} from './testing.ts';

const database = await openWebhookDatabase();
const { sql } = database;
afterAll(() => database.close());

const since = '2000-01-01T00:00:00Z';
let endpoint: string;
beforeEach(async () => {
  await sql`truncate webhook_endpoints, outbox, webhook_messages, webhook_deliveries, webhook_lanes`;
  await insertEndpoint(sql, { event_types: ['webhook.test'] });
  const coupon = await insertCoupon(sql, 9);
  for (const user of ['ada', 'bob', 'cy']) await settleClaims(sql, coupon, [user]);
  await sql`update outbox set created_at = created_at + id * interval '1.5 ms'`;
  await relayOutbox(sql);
  endpoint = await insertEndpoint(sql);
});

test('who recovers for too long is told where to go on, and misses nothing', async () => {
  await withLimits(recoverLimits, { bite: 1, totalMs: 0 }, async () => {
    let { recovered, nextSince } = await recoverEndpoint(sql, endpoint, since);
    expect(recovered).toBe(1);
    // The message of that time is looked at again.
    await withLimits(recoverLimits, { bite: 2 }, async () => {
      while (nextSince !== null) {
        const more = await recoverEndpoint(sql, endpoint, nextSince);
        recovered += more.recovered;
        nextSince = more.nextSince;
      }
    });
    expect(recovered).toBe(3);
  });
  expect(await deliveriesTo(sql, endpoint)).toHaveLength(3);
});

test('it ends when the caller is gone', async () => {
  await withLimits(recoverLimits, { bite: 1 }, async () => {
    const { recovered, nextSince } = await recoverEndpoint(sql, endpoint, since, AbortSignal.abort());
    expect([recovered, typeof nextSince]).toEqual([1, 'string']);
  });
});

test('an endpoint is recovered once at a time, and few of them', async () => {
  const other = await insertEndpoint(sql);
  const recover = createRecovery(sql);
  const { signal } = new AbortController();
  const again = (id: string) => recover(id, since, signal);
  const { first } = await transaction(database.url, async tx => {
    await tx`select pg_advisory_xact_lock(hashtextextended('claimline webhook relay', 0))`;
    const first = Promise.allSettled([again(endpoint)]);
    await someoneWaits(sql);
    await expect(again(endpoint)).rejects.toMatchObject({ problem: { code: 'overloaded' } });
    await withLimits(recoverLimits, { underWay: 1 }, async () => {
      await expect(again(other)).rejects.toMatchObject({ problem: { code: 'overloaded' } });
    });
    return { first };
  });
  await first;
  expect((await again(other)).recovered).toBe(3);
  expect((await again(endpoint)).nextSince).toBeNull();
});
