import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { holderOf } from './holder.ts';

const killEveryMs = 5_000;

/** Two APIs and three workers, of which one is killed -9 every five seconds and started again. */
export const oneAfterAnother: Fault = {
  id: 'F15',
  title: 'two APIs, three workers, one of them killed -9 every 5 s',
  async run(arena) {
    const { stack, random, sized } = arena;
    const crowd = await arena.crowd();
    for (let kill = 0; kill < sized(2, 6, 24); kill++) {
      const { apis, workers } = stack.living();
      const isApi = random.next() < apis.length / (apis.length + workers.length);
      // Every other worker that is killed is the one that settles.
      const holder = random.next() < 0.5 ? await holderOf(stack, crowd.sales[0]!) : undefined;
      const index = isApi ? random.pick(apis) : (holder ?? random.pick(workers));
      arena.injected(`${isApi ? 'API' : 'worker'} ${index} killed`);
      const sinceMs = Date.now();
      if (isApi) await stack.killApi(index).then(() => stack.startApi());
      else {
        await stack.killWorker(index, 'SIGKILL');
        stack.startWorker();
      }
      await crowd.recovers(sinceMs);
      await delay(sinceMs + killEveryMs - Date.now());
    }
    await crowd.seeOut(true);
  },
};
