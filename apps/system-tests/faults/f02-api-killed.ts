import { setTimeout as delay } from 'node:timers/promises';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';
import type { Sale } from './sale.ts';

const pauseMostMs = 1_500;
/** A million in line at most, and a day to remember: that is how a request of an API begins that lets people in. */
const admission = '1000000\r\n$5\r\n86400\r\n';

/** APIs killed -9: at random, and after the gate let people in whose job was not added yet. */
export const apiKilled: Fault = {
  id: 'F2',
  title: 'API killed -9: at random, and between admission and queue',
  async run(arena) {
    const { stack, random, sized } = arena;
    const crowd = await arena.crowd();
    for (let kill = 0; kill < sized(1, 2, 20); kill++) {
      const index = random.pick(stack.living().apis);
      arena.injected(`API ${index} killed`);
      await stack.killApi(index);
      await stack.startApi();
      await delay(random.between(0, pauseMostMs));
    }
    for (let kill = 0; kill < sized(2, 3, 20); kill++) {
      await killBetween(arena, crowd.sales[0]!, random.pick(stack.living().apis));
      await delay(random.between(0, pauseMostMs));
    }
    // A place without a job gets one again, and does not wait for a lull in the sale.
    await crowd.decidesMeanwhile();
    await crowd.seeOut(true);
  },
};

async function killBetween(arena: Arena, sale: Sale, index: number): Promise<void> {
  const { stack } = arena;
  const way = stack.ways!.apis[index]!.redis!;
  await way.afterRequest([`{claims.${sale.id}}`, admission], 'hold the answer');
  arena.injected(`API ${index} killed between admission and queue`);
  await stack.killApi(index);
  way.release();
  await stack.startApi();
}
