import { expect, test } from 'vitest';
import { queueSuite } from './queue.testsuite.ts';
import { openRedisEngine } from './redis-engine.ts';
import { describeWithRedis, startTestRedis } from './testing.ts';

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
