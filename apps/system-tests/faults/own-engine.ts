import type { Engine } from '@claimline/queue/engine';
import { openRedisEngine } from '@claimline/queue/redis-engine';
import type { Stack } from '../stack.ts';

/** Opens the queue beside the processes, to do there what no client can. */
export function openOwnEngine({ redis }: Stack): Promise<Engine> {
  if (!redis) throw new Error('only on Redis');
  return openRedisEngine({ url: redis.url, side: 'working', onError() {} });
}
