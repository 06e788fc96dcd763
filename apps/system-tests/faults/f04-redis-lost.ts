import { setTimeout as delay } from 'node:timers/promises';
import { awaitUntil } from '../await-until.ts';
import type { Arena } from './arena.ts';
import type { Crowd } from './crowd.ts';
import type { Fault } from './fault.ts';

const pauseMostMs = 1_000;
const healthyWithinMs = 30_000;
const toldSoonMs = 6_000;

/** Redis killed, emptied, full, and away. */
export const redisLost: Fault = {
  id: 'F4',
  title: 'Redis killed -9 and restarted, emptied, full, away',
  async run(arena) {
    const { stack, random, sized } = arena;
    const redis = stack.redis!;
    const crowd = await arena.crowd();
    for (let round = 0; round < sized(1, 3, 10); round++) {
      arena.injected('Redis killed -9 and restarted');
      await redis.restart('SIGKILL');
      await heals(crowd);
      await delay(random.between(0, pauseMostMs));
      arena.injected('Redis emptied');
      await redis.command('FLUSHALL');
      await heals(crowd);
      await delay(random.between(0, pauseMostMs));
    }
    await fillUp(arena, crowd);
    await takeAway(arena, crowd);
    await crowd.seeOut(true);
    await awaitUntil(
      'the API to be healthy',
      async () => (await stack.client().get('/health')).status === 200,
      healthyWithinMs,
    );
  },
};

const heals = (crowd: Crowd) => crowd.recovers(Date.now());

/** No memory is left for a while: nothing new can be written. */
async function fillUp({ stack, sized, injected, finding }: Arena, crowd: Crowd): Promise<void> {
  injected('Redis full');
  const before = crowd.answers(503);
  await stack.redis!.command('CONFIG SET maxmemory 1');
  await delay(sized(2_000, 5_000, 20_000));
  await stack.redis!.command('CONFIG SET maxmemory 0');
  await heals(crowd);
  if (crowd.answers(503) === before) finding('nobody was told 503 while Redis was full');
}

/** Redis is away: 503 with Retry-After, soon, and back by itself. */
async function takeAway({ stack, sized, injected, finding, figure }: Arena, crowd: Crowd): Promise<void> {
  injected('Redis away');
  const before = crowd.answers(503);
  await stack.redis!.stop('SIGTERM');
  const { status, tookMs } = await stack.client().join(crowd.sales[0]!.name, 'while Redis is away');
  if (status !== 503) finding(`a claim was answered ${status} while Redis was away`);
  if (tookMs > toldSoonMs) finding(`503 came after ${tookMs} ms`);
  const health = await stack.client().get('/health');
  if (health.status !== 503) finding(`/health was ${health.status} while Redis was away`);
  await delay(sized(3_000, 7_000, 30_000));
  await stack.redis!.start();
  await heals(crowd);
  figure(`${crowd.answers(503) - before} answers 503 with Retry-After while Redis was away`);
}
