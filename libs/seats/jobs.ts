import type { Sql } from '@claimline/db/pool';
import type { Engine, OpenLane } from '@claimline/queue/engine';
import { eventOf, laneOf } from './job.ts';
import { openSeatLane } from './lane.ts';

export { pruneReservationRefusals, sweepReservations } from './sweep.ts';

const limits = {
  /** Lanes that are looked after at once, and open ones that are known to be. */
  lanesMost: 500,
  /** So long after its event a lane is looked after: whoever is in it still waits for an answer. */
  afterEventDays: 7,
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

/** How a worker process wants forgotten lanes: each round looks at the next events, so that all have their turn. */
export function createLaneWanting(house: { engine: Engine; sql: Sql }) {
  let after = NO_ID;
  return async (): Promise<number> => {
    const { wanted, last } = await wantForgottenLanes(house, after);
    after = last ?? NO_ID;
    return wanted;
  };
}

const NO_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Says of lanes that have jobs and no worker that they are wanted: an emptied queue store forgets what was
 * wanted, and whoever said so a moment ago does not say it again. Also of events that are over or canceled, since
 * their lanes tell people so. Answers how many, and the last event of those that it looked at where more follow.
 */
async function wantForgottenLanes({ engine, sql }: { engine: Engine; sql: Sql }, after: string) {
  const open = new Set(
    (await engine.roster.list(limits.lanesMost)).filter(one => one.open).map(one => one.lane),
  );
  const events = await sql<{ id: string; name: string }[]>`
    select id, name from events
    where id > ${after} and starts_at > now() - ${limits.afterEventDays} * interval '1 day'
    order by id limit ${limits.lanesMost}`;
  let wanted = 0;
  for (const { id, name } of events) {
    const lane = laneOf(id);
    if (open.has(lane) || (await engine.countUndecided(lane)) === 0) continue;
    await engine.roster.want(lane, name);
    wanted++;
  }
  return { wanted, last: events.length < limits.lanesMost ? null : (events.at(-1)?.id ?? null) };
}
