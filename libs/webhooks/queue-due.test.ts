import { openTestEngine, startTestStores, type TestEngine, withLimits } from '@claimline/queue/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { queueOf } from './lane-name.ts';
import { queueDue, queueLimits } from './queue-due.ts';
import { insertEndpoint } from './testing.ts';

let world: TestEngine;
let stop: () => Promise<void>;
beforeAll(async () => {
  const stores = await startTestStores('postgres');
  world = await openTestEngine(stores);
  stop = async () => {
    await world.close();
    await stores.stop();
  };
});
beforeEach(async () => {
  await world.sql`truncate webhook_deliveries, webhook_lanes, webhook_messages`;
});
afterAll(() => stop());

const concurrency = 1;
const house = () => ({ ...world, concurrency });

/** An endpoint with so many deliveries that are due; returns its lane. */
async function insertDue(count: number): Promise<string> {
  const { sql } = world;
  const lane = await insertEndpoint(sql);
  await sql`insert into webhook_lanes (lane) values (${lane})`;
  await sql`
    with message as (
      insert into webhook_messages (created_at, event_sequence, id, type, subject, payload)
      select now(), n, 'msg_' || ${lane} || n, 'claim.granted', ${lane}, '{}' from generate_series(1, ${count}::int) n
      returning position
    )
    insert into webhook_deliveries (message, lane, due_at) select position, ${lane}, now() - interval '1 hour' from message`;
  return lane;
}

async function countQueued(): Promise<number> {
  const [row] = await world.sql`select count(*)::int as count from webhook_deliveries where is_queued`;
  return row?.count;
}

/** As if a minute had passed, and all jobs had come to nothing. */
const loseAll = () =>
  world.sql`update webhook_deliveries set due_at = now() - interval '1 s' where is_queued`;

test('what counts as lost is added again and keeps its room, and nothing comes in its place', async () => {
  const lane = await insertDue(8);
  await withLimits(queueLimits, { inQueueTimes: 3 }, async () => {
    expect(await queueDue(house(), null)).toBe(3);
    expect(await queueDue(house(), null)).toBe(0);
    await loseAll();
    expect([await queueDue(house(), null), await countQueued()]).toEqual([3, 3]);
    await loseAll();
    await world.sql`update webhook_lanes set open_until = now() + interval '1 min'`;
    expect(await queueDue(house(), null)).toBe(0);
    await world.sql`update webhook_lanes set open_until = now() - interval '1 s'`;
    expect([await queueDue(house(), null), await queueDue(house(), null)]).toEqual([1, 0]);
  });
  expect(await world.engine.countUndecided(queueOf(lane))).toBe(3);
});

test('more than one statement takes is taken by several, of all lanes', async () => {
  const lanes = [await insertDue(7), await insertDue(7), await insertDue(7)];
  await withLimits(queueLimits, { takenMost: 4, inQueueTimes: 5 }, async () => {
    expect(await queueDue(house(), null)).toBe(15);
  });
  for (const lane of lanes) expect(await world.engine.countUndecided(queueOf(lane))).toBe(5);
});

test('when the queue refuses, what it took before stays in it, and the rest is given back', async () => {
  await insertDue(30);
  let added = 0;
  const { sql, engine } = world;
  const failing = {
    ...engine,
    async add(...job: Parameters<typeof engine.add>) {
      if (++added > 25) throw new Error('no more');
      await engine.add(...job);
    },
  };
  await withLimits(queueLimits, { addedAtOnce: 10, inQueueTimes: 100 }, async () => {
    await expect(queueDue({ sql, engine: failing, concurrency }, null)).rejects.toThrow('no more');
  });
  expect(await countQueued()).toBe(20);
  await sql`update webhook_deliveries set due_at = now() where not is_queued`;
  expect([await queueDue({ sql, engine, concurrency: 3 }, null), await countQueued()]).toEqual([10, 30]);
});

test('a queue store that never says that it knows of a lane counts as away', async () => {
  await insertDue(2);
  const { sql, engine } = world;
  const roster = { ...engine.roster, want: () => new Promise<void>(() => {}) };
  await withLimits(queueLimits, { wantMs: 10 }, async () => {
    const away = { sql, engine: { ...engine, roster }, concurrency };
    await expect(queueDue(away, null)).rejects.toThrow('the queue did not answer within 10 ms');
  });
  expect(await countQueued()).toBe(0);
});

test('a delivery whose message is gone has no job, and keeps none from the others', async () => {
  const lane = await insertDue(3);
  await world.sql`delete from webhook_messages where event_sequence = 2`;
  expect(await queueDue(house(), null)).toBe(2);
  expect(await world.engine.countUndecided(queueOf(lane))).toBe(2);
  expect(await world.sql`select from webhook_deliveries`).toHaveLength(2);
});

test('nor does it take the one place of a receiver that is tried again', async () => {
  const lane = await insertDue(2);
  await world.sql`update webhook_deliveries set due_at = due_at - interval '1 hour' where message = (select min(message) from webhook_deliveries)`;
  await world.sql`delete from webhook_messages where event_sequence = 1`;
  await world.sql`update webhook_lanes set open_until = now() - interval '1 s'`;
  expect([await queueDue(house(), null), await queueDue(house(), null)]).toEqual([0, 1]);
  expect(await world.engine.countUndecided(queueOf(lane))).toBe(1);
});
