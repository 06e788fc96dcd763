import type { Sql } from '@claimline/db/pool';
import type { Engine, OpenLane } from '@claimline/queue/engine';
import { eventOf, laneOf } from './job.ts';
import { openSeatLane } from './lane.ts';

export { pruneReservationRefusals, sweepReservations } from './sweep.ts';

const limits = {
  /** Lanes that are looked after, the most lately wanted first. */
  lanesMost: 500,
} as const;

/** How a worker process opens the lanes of events; null for somebody else's lane. */
export function createSeatLanes(house: { engine: Engine; sql: Sql; onError: (error: Error) => void }) {
  return {
    open: (lane: string): OpenLane | null => (eventOf(lane) === null ? null : openSeatLane(lane, house)),
    /** Whether a lane may close: an event's has no line but its jobs. */
    async isDone(lane: string): Promise<boolean | null> {
      return eventOf(lane) === null ? null : (await house.engine.countUndecided(lane)) === 0;
    },
  };
}

/**
 * Says of lanes that have jobs and no worker that they are wanted: an emptied queue store forgets what was
 * wanted, and whoever said so a moment ago does not say it again. Answers how many.
 */
export async function wantForgottenLanes({ engine, sql }: { engine: Engine; sql: Sql }): Promise<number> {
  const open = new Set(
    (await engine.roster.list(limits.lanesMost)).filter(one => one.open).map(one => one.lane),
  );
  const events = await sql<{ id: string; name: string }[]>`
    select id, name from events where starts_at > now() and not is_canceled
    order by updated_at desc limit ${limits.lanesMost}`;
  let wanted = 0;
  for (const { id, name } of events) {
    const lane = laneOf(id);
    if (open.has(lane) || (await engine.countUndecided(lane)) === 0) continue;
    await engine.roster.want(lane, name);
    wanted++;
  }
  return wanted;
}
