import { pause } from '@claimline/kernel/backoff';
import { describeError } from '@claimline/telemetry/log';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Engine } from './engine.ts';
import { queueSuite } from './queue.testsuite.ts';
import { openRedisEngine } from './redis-engine.ts';
import { describeWithRedis, startTestRedis, type TestRedis } from './testing.ts';
import { laneOptions } from './testing-lanes.ts';

queueSuite('redis');

describeWithRedis('a Redis that may evict keys', () => {
  test.each(['allkeys-lru', 'volatile-ttl'])('is refused with %s, by either side', async policy => {
    const redis = await startTestRedis({ 'maxmemory-policy': policy });
    try {
      for (const side of ['accepting', 'working'] as const)
        await expect(openRedisEngine({ url: redis.url, side, onError: () => {} })).rejects.toThrow(
          `Redis has maxmemory-policy ${policy}, which may drop claims that wait: set it to noeviction`,
        );
    } finally {
      await redis.stop();
    }
  });
});

describeWithRedis('a Redis that goes away', () => {
  test('is complained of by the connection that all share, and not by every lane', async () => {
    const redis = await startTestRedis();
    let complaints = 0;
    const engine = await openRedisEngine({ url: redis.url, side: 'working', onError: () => complaints++ });
    const lanes = Array.from({ length: 20 }, (_, i) => {
      const options = laneOptions({ handle: async () => {} });
      return { options, opened: engine.openLane(`lane ${i}`, options) };
    });
    // Each has a connection of its own to wait on, besides those of this test and of the engine.
    const connected = async () =>
      Number(/connected_clients:(\d+)/.exec(String(await redis.command('INFO', 'clients')))?.[1]);
    await expect.poll(connected).toBeGreaterThanOrEqual(lanes.length + 2);
    await redis.stop();
    await expect.poll(() => complaints, { timeout: 10_000 }).toBeGreaterThanOrEqual(3);
    expect(lanes.flatMap(({ options }) => options.errors)).toEqual([]);
    await engine.close();
    await Promise.allSettled(lanes.map(({ opened }) => Promise.race([opened.close(), pause(1000)])));
  });
});

describeWithRedis('a Redis that is in trouble', () => {
  let redis: TestRedis;
  let engine: Engine;
  beforeAll(async () => {
    redis = await startTestRedis();
    engine = await openRedisEngine({ url: redis.url, side: 'accepting', onError: () => {} });
  });
  afterAll(async () => {
    await engine.close();
    await redis.stop();
  });

  const add = (lane: string, data: unknown = {}) => engine.add(lane, { id: 'a', name: 'a', data });

  const takesJobs = (lane: string) =>
    expect
      .poll(
        () =>
          add(lane).then(
            () => true,
            () => false,
          ),
        { timeout: 5000, interval: 20 },
      )
      .toBe(true);

  test('a lane first wanted while it did not answer takes jobs once it does', async () => {
    const pausedMs = 2500; // Longer than a command of the accepting side waits.
    await redis.command('CLIENT', 'PAUSE', pausedMs, 'ALL');
    await expect(add('frozen')).rejects.toThrow();
    await takesJobs('frozen');
    expect(await engine.countUndecided('frozen')).toBe(1);
  });

  test('whoever is told that it is a replica now connects anew', async () => {
    await add('before');
    const connections = async () =>
      /total_connections_received:(\d+)/.exec(String(await redis.command('INFO', 'stats')))?.[1];
    const had = Number(await connections());
    await redis.command('REPLICAOF', '127.0.0.1', '1');
    await expect(add('replica')).rejects.toThrow('READONLY');
    await expect.poll(async () => Number(await connections())).toBeGreaterThan(had);
    await redis.command('REPLICAOF', 'NO', 'ONE');
    await takesJobs('replica');
  });

  test('its errors are told without what it was asked', async () => {
    await add('full');
    await redis.command('CONFIG', 'SET', 'maxmemory', 1);
    const error = await add('full', { ticket: 'tkt_of_somebody' }).catch(refusal => refusal);
    await expect(engine.ping()).rejects.toThrow('OOM');
    await redis.command('CONFIG', 'SET', 'maxmemory', 0);
    await engine.ping();
    const told = describeError(error);
    expect(told).toMatchObject({ message: expect.stringContaining('OOM') });
    expect(JSON.stringify(error)).toContain('tkt_of_somebody');
    expect(JSON.stringify(told)).not.toContain('tkt_of_somebody');
  });
});
