import { describe, expect, test } from 'vitest';
import { queueSuite } from './queue.testsuite.ts';
import { openRedisEngine } from './redis-engine.ts';
import type { TestRedisCluster } from './testing-cluster.ts';
import type { World } from './testing-lanes.ts';
import { startTestRedis } from './testing-redis.ts';

queueSuite('cluster', addressSuite);

/** How a cluster is named, and what is refused. */
function addressSuite(world: () => World): void {
  describe('the address', () => {
    const open = (url: string) => openRedisEngine({ url, side: 'accepting', onError: () => {} });
    const nodes = () => (world().stores.redis as TestRedisCluster).nodes;
    const nobody = 'redis://127.0.0.1:1';

    test('of one node that answers is enough, wherever it stands', async () => {
      for (const url of [nodes()[1]!.url, `${nobody}, ${nodes()[2]!.url}`]) {
        const engine = await open(url);
        await engine.ping();
        for (const lane of ['one', 'two', 'three', 'four', 'five'])
          await engine.add(lane, { id: 'a', name: 'a', data: {} });
        await engine.close();
      }
      await expect(open(`${nobody},${nobody}`)).rejects.toThrow('Connection is closed.');
    });

    test('is one where there is no cluster, and names no database where there is one', async () => {
      const single = await startTestRedis();
      await expect(open(`${single.url},${nodes()[0]!.url}`)).rejects.toThrow(
        'REDIS_URL has several addresses, which is for the nodes of a cluster, and this Redis is none',
      );
      await single.stop();
      await expect(open(`${nodes()[0]!.url}/3`)).rejects.toThrow(
        'REDIS_URL names database 3, and a Redis Cluster has but one: leave it out',
      );
    });

    test('is refused where one primary may evict keys, whichever it is', async () => {
      const primary = nodes()[2]!;
      await primary.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
      await expect(open(nodes()[0]!.url)).rejects.toThrow('Redis has maxmemory-policy allkeys-lru');
      await primary.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    });
  });
}
