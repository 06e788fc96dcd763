import { setTimeout as delay } from 'node:timers/promises';
import { awaitUntil } from '../await-until.ts';
import type { Fault } from './fault.ts';
import { holderOf } from './holder.ts';

/** Past its lease (3 s), and past the locks of its jobs (4 s) and the check that finds them (1.5 s). */
const frozenMs = 9_000;

/** A worker stands still past its locks, another takes over, and then the first goes on with what it had in hand. */
export const workerFrozen: Fault = {
  id: 'F3',
  title: 'worker frozen past its locks, another takes over, the first goes on',
  engines: ['redis', 'postgres'],
  async run(arena) {
    const { stack, random, sized } = arena;
    const crowd = await arena.crowd();
    const sale = crowd.sales[0]!;
    for (let round = 0; round < sized(1, 2, 6); round++) {
      await delay(random.between(0, 1_000));
      const [index] = await awaitUntil('a worker to have the lane', async () => {
        const holder = await holderOf(stack, sale);
        return holder !== undefined && [holder];
      });
      arena.injected(`worker ${index} frozen`);
      const sinceMs = Date.now();
      await stack.killWorker(index!, 'SIGSTOP');
      await crowd.recovers(sinceMs);
      await delay(sinceMs + frozenMs - Date.now());
      await stack.killWorker(index!, 'SIGCONT');
    }
    await crowd.seeOut();
  },
};
