import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from './fault.ts';
import { openOwnEngine } from './own-engine.ts';

const jobsMost = 1_000;
const standingMs = 1_000;
const runningMs = 700;

/** Every job of a sale is delivered again, those that wait and those that are done, in shuffled order. */
export const jobsTwice: Fault = {
  id: 'F7',
  title: 'every job delivered twice, in shuffled order',
  async run(arena) {
    const { stack, random, sized } = arena;
    const engine = await openOwnEngine(stack);
    const crowd = await arena.crowd({ hasShort: false, sales: 2 });
    for (let round = 0; round < sized(2, 5, 20); round++)
      for (const sale of crowd.sales) {
        const lane = `claims.${sale.id}`;
        const count = await stack.whileWorkersStand(async () => {
          await delay(standingMs);
          const { jobs } = await engine.listUndecided(lane, jobsMost);
          const done = await engine.queue(lane).getJobs(['completed'], 0, jobsMost);
          const again = random.shuffled([...jobs, ...done.map(job => job.data)]);
          for (const [index, data] of again.entries())
            await engine.add(lane, { id: `again-${round}-${index}`, name: sale.name, data });
          return again.length;
        });
        arena.injected(`${count} jobs again`);
        const sinceMs = Date.now();
        await delay(runningMs);
        await crowd.recovers(sinceMs, sale);
      }
    await crowd.seeOut();
    await engine.close();
  },
};
