import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { databaseNowMs, type Merchant, merchantEnv, openMerchant, seeTold } from './merchant.ts';

const pauseMs = { least: 300, most: 1500 };

/** API and workers killed -9 while outcomes are told: wherever relay, queueing, sending or recording was, nobody misses a message. */
export const toldThroughKills: Fault = {
  id: 'F16',
  title: 'API, worker and relay killed -9 while merchants are told of every outcome',
  engines: ['redis', 'postgres'],
  stack: () => ({ apis: 2, workers: 2, env: merchantEnv }),
  async run(arena) {
    const { stack, random } = arena;
    const merchants: Merchant[] = [];
    try {
      for (const delayMs of [0, 5, 20]) merchants.push(await openMerchant(arena, { delayMs }));
      const sinceMs = await databaseNowMs(arena);
      const isRedis = stack.engine === 'redis';
      const crowd = await arena.crowd({ sales: 3, perSecond: isRedis ? arena.sized(60, 250, 250) : 25 });
      const wanted = isRedis ? arena.sized(500, 1500, 10_000) : arena.sized(80, 400, 2000);
      for (let kill = 0; kill < arena.sized(3, 8, 40) || crowd.accepted() < wanted; kill++) {
        await delay(random.between(pauseMs.least, pauseMs.most));
        const { apis, workers } = stack.living();
        // The relay is in whichever worker comes first: three kills of four are of workers.
        if (kill % 4 === 3) {
          const index = random.pick(apis);
          arena.injected(`API ${index} killed`);
          await stack.killApi(index).then(() => stack.startApi());
        } else {
          const index = random.pick(workers);
          arena.injected(`worker ${index} killed`);
          await stack.killWorker(index, 'SIGKILL');
          stack.startWorker();
        }
      }
      await crowd.seeOut(true);
      await seeTold(arena, merchants, sinceMs);
    } finally {
      await Promise.all(merchants.map(merchant => merchant.close()));
    }
  },
};
