import type { Engine } from '@claimline/queue/engine';
import { openRedisEngine } from '@claimline/queue/redis-engine';
import type { Stack } from '../stack.ts';

/** Opens the queue beside the processes while `work` is done there that no client can do. */
export async function withOwnEngine(
  { redis }: Stack,
  work: (engine: Engine) => Promise<void>,
): Promise<void> {
  if (!redis) throw new Error('only on Redis');
  const engine = await openRedisEngine({ url: redis.url, side: 'working', onError() {} });
  try {
    await work(engine);
  } finally {
    await engine.close();
  }
}
