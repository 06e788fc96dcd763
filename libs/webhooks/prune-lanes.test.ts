import { openTestEngine, startTestStores } from '@claimline/queue/testing';
import { expect, onTestFinished, test } from 'vitest';
import { queueOf } from './lane-name.ts';
import { pruneLanes } from './prune-lanes.ts';
import { relayOutbox } from './relay.ts';
import { insertCoupon, insertEndpoint, settleClaims } from './testing.ts';

test('a lane goes with its last attempt, also one of callbacks, unless something of it is left', async () => {
  const stores = await startTestStores('postgres');
  onTestFinished(() => stores.stop());
  const { sql, engine, close } = await openTestEngine(stores);
  onTestFinished(close);
  const [endpoint, deleted] = [await insertEndpoint(sql), await insertEndpoint(sql)];
  const coupon = await insertCoupon(sql, 9);
  for (const host of ['old', 'pending', 'exhausted', 'tried'])
    await settleClaims(sql, coupon, [{ user: host, callbackUrl: `https://${host}.example/` }]);
  await relayOutbox(sql);
  const at = (host: string) =>
    sql`(select lane from webhook_lanes where callback_origin = ${`https://${host}.example`})`;
  await sql`update webhook_deliveries set status = 'delivered' where lane in (${at('old')}, ${at('tried')})`;
  await sql`update webhook_deliveries set status = 'exhausted' where lane = ${at('exhausted')}`;
  await sql`
    insert into webhook_attempts (message, number, duration_ms, has_succeeded, lane, reason)
    values (1, 1, 1, true, ${at('tried')}, 'event')`;
  await sql`delete from webhook_endpoints where id = ${deleted}`;
  await sql`delete from webhook_deliveries where lane = ${deleted}`;
  for (const lane of [endpoint, deleted])
    await engine.add(queueOf(lane), { id: 'one', name: 'one', data: {} });
  expect(await pruneLanes({ sql, engine })).toBe(2);
  const left = await sql<
    { name: string }[]
  >`select coalesce(callback_origin, lane) as name from webhook_lanes`;
  expect(left.map(({ name }) => name).sort()).toEqual(
    [endpoint, ...['exhausted', 'pending', 'tried'].map(host => `https://${host}.example`)].sort(),
  );
  expect([
    await engine.countUndecided(queueOf(endpoint)),
    await engine.countUndecided(queueOf(deleted)),
  ]).toEqual([1, 0]);
});
