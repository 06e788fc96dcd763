import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { ticket } from './settlement.ts';

const pauseMostMs = 300;

/** The connection breaks right after a settlement was sent, or when its answer comes: the worker cannot know. */
export const connectionCut: Fault = {
  id: 'F6',
  title: 'connection to Postgres cut right after a settlement was sent, or when it was answered',
  engines: ['redis', 'postgres'],
  async run(arena) {
    const { stack, random, sized } = arena;
    const crowd = await arena.crowd();
    for (let round = 0; round < sized(6, 30, 200); round++) {
      const mishap = random.pick(['cut', 'cut at the answer'] as const);
      await stack.ways!.workers.postgres.afterRequest([ticket], mishap);
      arena.injected(mishap);
      await crowd.recovers(Date.now());
      await delay(random.between(0, pauseMostMs));
    }
    await crowd.seeOut();
  },
};
