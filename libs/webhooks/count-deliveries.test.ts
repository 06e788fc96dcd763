import { withLimits } from '@claimline/queue/testing';
import { metrics } from '@claimline/telemetry/metrics';
import { afterAll, expect, test } from 'vitest';
import { countDeliveries, countLimits } from './count-deliveries.ts';
import { relayOutbox } from './relay.ts';
import { insertCoupon, insertEndpoint, openWebhookDatabase, settleClaims } from './testing.ts';

const database = await openWebhookDatabase();
const { sql } = database;
afterAll(() => database.close());

test('a backlog is counted up to a limit, and it is told when that was', async () => {
  const told = async () =>
    (await metrics.webhookDeliveries.get()).values.map(({ labels, value }) => [labels.status, value]);
  const countedAt = async () => (await metrics.webhookCountsTimestamp.get()).values[0]?.value ?? 0;
  await insertEndpoint(sql);
  await settleClaims(sql, await insertCoupon(sql, 9), ['ada', 'bob', 'cy']);
  await relayOutbox(sql);
  await sql`update webhook_deliveries set status = 'exhausted' where id in (select min(id) from webhook_deliveries)`;
  expect(await countedAt()).toBe(0);
  await countDeliveries(sql);
  expect(await told()).toEqual([
    ['pending', 2],
    ['exhausted', 1],
  ]);
  expect(await countedAt()).toBeGreaterThan(0);
  await withLimits(countLimits, { rowsMost: 1 }, () => countDeliveries(sql));
  expect(await told()).toEqual([
    ['pending', 1],
    ['exhausted', 1],
  ]);
});
