import { setTimeout as delay } from 'node:timers/promises';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';
import { holderOfLane } from './holder.ts';
import { openSeatCrowd, type SeatCrowd } from './seat-crowd.ts';

const pauseMs = { least: 500, most: 1_500 };
/** Long enough for requests to be in line. */
const standingMs = 400;
const claimsPerSecond = 20;
const seatsPerSecond = 40;

/** People reserve seats while workers and stores are lost. */
export const seatsUnderFaults: Fault = {
  id: 'F17',
  title: 'seats: worker, Redis and Postgres killed -9, Redis emptied while people reserve crossing seats',
  async run(arena) {
    const { random, sized } = arena;
    const crowd = await arena.crowd({ hasShort: false, perSecond: claimsPerSecond });
    const visitors = await openSeatCrowd(arena, seatsPerSecond);
    try {
      for (let round = 0; round < sized(1, 2, 12); round++)
        for (const [what, strike] of random.shuffled(Object.entries(strikes))) {
          await delay(random.between(pauseMs.least, pauseMs.most));
          arena.injected(what);
          const sinceMs = Date.now();
          await strike(arena, visitors);
          await crowd.recovers(sinceMs);
        }
      await visitors.seeOut();
    } finally {
      await visitors.leave();
    }
    await crowd.seeOut(true);
  },
};

const strikes: Record<string, (arena: Arena, visitors: SeatCrowd) => Promise<unknown>> = {
  "the event's worker killed": async ({ stack, random }, { lane }) => {
    const index = (await holderOfLane(stack, lane)) ?? random.pick(stack.living().workers);
    await stack.killWorker(index, 'SIGKILL');
    stack.startWorker();
  },
  'Redis killed -9 and restarted': ({ stack }) => stack.restartRedis('SIGKILL'),
  'Redis emptied': ({ stack }) =>
    stack.whileWorkersStand(async () => {
      await delay(standingMs);
      await stack.redis!.command('FLUSHALL');
    }),
  'Postgres killed -9': ({ stack }) => stack.postgres.restart('kill'),
};
