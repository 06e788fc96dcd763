import { setTimeout as delay } from 'node:timers/promises';
import type { Stack } from '../stack.ts';
import type { Caught } from '../way.ts';
import type { Fault } from './fault.ts';
import { awaitHolder, holderOf } from './holder.ts';
import type { Sale } from './sale.ts';
import { settlementOf } from './settlement.ts';

/** Past its lease (3 s), and past the locks of its jobs (4 s) and the check that finds them (1.5 s). */
const frozenMs = 9_000;
const triesMost = 10;
/** What the worker has in hand: a settlement that Postgres has not got yet, or one whose answer it has not heard. */
const inHand = { hold: 'a settlement to send', 'hold the answer': 'a settlement to hear of' } as const;

/** A worker stands still past its locks, another takes over, and then the first goes on with the settlement that it had in hand. */
export const workerFrozen: Fault = {
  id: 'F3',
  title: 'worker frozen in a settlement past its locks, another takes over, the first goes on',
  engines: ['redis', 'postgres'],
  async run(arena) {
    const { stack, random, sized } = arena;
    const crowd = await arena.crowd();
    const sale = crowd.sales[0]!;
    const way = stack.ways!.workers.postgres;
    const had: Record<keyof typeof inHand, number> = { hold: 0, 'hold the answer': 0 };
    for (let round = 0; round < sized(1, 2, 6); round++) {
      await delay(random.between(0, 1_000));
      const mishap = round % 2 === 0 ? 'hold' : 'hold the answer';
      const { index, caught, sinceMs } = await freeze(stack, sale, mishap);
      arena.injected(`worker ${index} frozen with ${inHand[mishap]}`);
      await crowd.recovers(sinceMs);
      await delay(sinceMs + frozenMs - Date.now());
      if (caught.isGone()) arena.finding(`worker ${index} was gone before it went on`);
      else had[mishap] += 1;
      await stack.killWorker(index, 'SIGCONT');
      way.release();
    }
    arena.figure(
      Object.entries(inHand)
        .map(([mishap, what]) => `${had[mishap as keyof typeof had]} went on with ${what}`)
        .join(', '),
    );
    await crowd.seeOut();
  },
};

/** Freezes the worker that has the sale's lane, and what it says to Postgres or hears from there, in a settlement. */
async function freeze(
  stack: Stack,
  sale: Sale,
  mishap: keyof typeof inHand,
): Promise<{ index: number; caught: Caught; sinceMs: number }> {
  const way = stack.ways!.workers.postgres;
  for (let tries = 0; tries < triesMost; tries++) {
    const before = await awaitHolder(stack, sale);
    const caught = await way.afterRequest(settlementOf(sale), mishap);
    const sinceMs = Date.now();
    const index = await holderOf(stack, sale);
    if (index === before) {
      await stack.killWorker(index, 'SIGSTOP');
      return { index, caught, sinceMs };
    }
    way.release(); // The lane went to another one meanwhile: whose settlement it is cannot be told.
  }
  throw new Error(`no worker was caught in a settlement in ${triesMost} tries`);
}
