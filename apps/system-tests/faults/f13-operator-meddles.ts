import { setTimeout as delay } from 'node:timers/promises';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';
import { withOwnEngine } from './own-engine.ts';
import type { Sale } from './sale.ts';

const pauseMs = 500;
/** Long enough for jobs to pile up. */
const standingMs = 300;
const actions = [
  ...['retry/completed', 'clean/completed', 'clean/failed', 'retry/failed', 'promote', 'pause'],
  ...['empty', 'obliterate', 'clean/waiting', 'force'],
];

/** An operator does in Bull Board whatever has a button, in the middle of a sale. */
export const operatorMeddles: Fault = {
  id: 'F13',
  title: 'an operator retries, cleans, pauses, empties, obliterates in Bull Board',
  async run(arena) {
    const { random, sized } = arena;
    const crowd = await arena.crowd();
    const sale = crowd.sales[0]!;
    for (let round = 0; round < sized(1, 2, 10); round++)
      for (const action of random.shuffled(actions).slice(0, sized(4, actions.length, actions.length))) {
        arena.injected(action);
        await meddle(arena, sale, action);
        const sinceMs = Date.now();
        await delay(random.between(0, pauseMs));
        await crowd.recovers(sinceMs);
      }
    await crowd.decidesMeanwhile();
    await crowd.seeOut(true);
  },
};

/** Does it while jobs are waiting, which they are when no worker moves. */
async function meddle(arena: Arena, sale: Sale, action: string): Promise<void> {
  const { stack } = arena;
  if (action === 'pause') {
    await write(arena, sale, 'pause');
    await delay(pauseMs);
    await write(arena, sale, 'resume');
    return;
  }
  await stack.whileWorkersStand(async () => {
    await delay(standingMs);
    if (action !== 'force') await write(arena, sale, action);
    else await withOwnEngine(stack, engine => engine.queue(`claims.${sale.id}`).obliterate({ force: true }));
  });
}

/** Calls the board as its own page would. What cannot be done at this moment is answered 4xx. */
async function write({ stack, finding }: Arena, sale: Sale, action: string): Promise<void> {
  const board = `${stack.api}/queues/api/queues`;
  const { queues } = (await (await fetch(board)).json()) as {
    queues: { name: string; description: string }[];
  };
  const lane = queues.find(({ description }) => description.endsWith(`claims.${sale.id}`));
  if (!lane) return finding(`the lane of "${sale.name}" is not on the board`);
  const { status } = await fetch(`${board}/${encodeURIComponent(lane.name)}/${action}`, {
    method: 'PUT',
    headers: { origin: stack.api },
  });
  if (status >= 500 || status === 403) finding(`${action} was answered ${status}`);
}
