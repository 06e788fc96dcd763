import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '@claimline/queue/engine';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';
import { withOwnEngine } from './own-engine.ts';
import type { Sale } from './sale.ts';

const jobsMost = 1_000;
const standingMs = 1_000;
const runningMs = 700;

/** Every job of a sale is delivered again, those that wait and those that are done, in shuffled order. */
export const jobsTwice: Fault = {
  id: 'F7',
  title: 'every job delivered twice, in shuffled order',
  async run(arena) {
    const { stack, sized } = arena;
    const crowd = await arena.crowd({ hasShort: false, sales: 2 });
    await withOwnEngine(stack, async engine => {
      for (let round = 0; round < sized(2, 5, 20); round++)
        for (const sale of crowd.sales) {
          const count = await stack.whileWorkersStand(() => addAgain(arena, engine, sale, round));
          arena.injected(`${count} jobs again`);
          const sinceMs = Date.now();
          await delay(runningMs);
          await crowd.recovers(sinceMs, sale);
        }
    });
    await crowd.seeOut();
  },
};

/** Adds the jobs of a sale under other ids, once some have piled up; answers how many. */
async function addAgain({ random }: Arena, engine: Engine, sale: Sale, round: number): Promise<number> {
  await delay(standingMs);
  const lane = `claims.${sale.id}`;
  const { jobs } = await engine.listUndecided(lane, jobsMost);
  const done = await engine.queue(lane).getJobs(['completed'], 0, jobsMost);
  const again = random.shuffled([...jobs, ...done.map(job => job.data)]);
  for (const [index, data] of again.entries())
    await engine.add(lane, { id: `again-${round}-${index}`, name: sale.name, data });
  return again.length;
}
