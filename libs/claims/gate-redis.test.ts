import { describeWithRedis, openTestEngine, startTestStores, type TestRedis } from '@claimline/queue/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGate } from './create-gate.ts';
import { gateSuite } from './gate.testsuite.ts';
import type { Gate } from './gate.ts';
import { laneOf } from './lane-name.ts';
import { couponFacts, granted, nextTicket, pages, settledNews } from './testing.ts';

describeWithRedis('the gate in Redis', () => {
  let stop = async () => {};
  let gate: Gate;
  let redis: TestRedis;
  beforeAll(async () => {
    const stores = await startTestStores('redis');
    redis = stores.redis as TestRedis;
    const opened = await openTestEngine(stores, 'accepting');
    gate = createGate(opened.engine);
    stop = async () => {
      await opened.close();
      await stores.stop();
    };
  });
  afterAll(() => stop());
  gateSuite(() => gate);

  const keysOf = async (couponId: string) => (await redis.command('KEYS', `*${couponId}*`)) as string[];

  test('keeps all keys of a coupon in the slot of its lane', async () => {
    const coupon = couponFacts();
    await gate.load(coupon, pages([{ userId: 'holder', count: 1, ticket: 't' }]), []);
    await gate.admit(coupon, [{ userId: 'ada', ticket: nextTicket() }], undefined);
    const keys = await keysOf(coupon.id);
    expect(keys).toHaveLength(4);
    for (const key of keys) expect(key).toMatch(new RegExp(`^{${laneOf(coupon.id)}}`));
  });

  test('keeps the holders of one claims epoch, however often claims are changed by hand', async () => {
    const coupon = couponFacts();
    const holders = Array.from({ length: 3 }, (_, i) => ({ userId: `${i}`, count: 1, ticket: `t${i}` }));
    for (let epoch = 1; epoch <= 5; epoch++)
      await gate.load({ ...coupon, epoch: 2 * epoch, claimsEpoch: epoch }, pages(holders), []);
    expect((await keysOf(coupon.id)).filter(key => key.includes('holders'))).toHaveLength(1);
  });

  test('forgets a coupon by itself that nobody asks for', async () => {
    const coupon = couponFacts();
    await gate.load(coupon, pages([{ userId: 'holder', count: 1, ticket: 't' }]), []);
    const ticket = nextTicket();
    await gate.admit(coupon, [{ userId: 'ada', ticket }], undefined);
    await gate.settled(settledNews(coupon, {}, [[ticket, granted('ada')]]));
    const keys = await keysOf(coupon.id);
    expect(keys).toHaveLength(2);
    for (const key of keys) expect([key, await redis.command('TTL', key)]).not.toEqual([key, -1]);
  });
});
