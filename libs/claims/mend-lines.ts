import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import { metrics } from '@claimline/telemetry/metrics';
import { laneOf } from './lane-name.ts';
import { mendLine } from './mend-line.ts';
import { openStores } from './verify.ts';
import { listBusy, listCoupons } from './visit-coupons.ts';

const limits = {
  /**
   * Coupons that nobody wanted lately whose lines a round looks at; the next round goes on after them. Looking
   * costs 0.4 ms and, as long as their queues are kept open, 18 kB each: 1.5 % of a core on MEND_SECONDS=15.
   */
  quietMost: 500,
} as const;

/**
 * What a worker does again and again while sales go on: places in line without a job get one, decided
 * tickets leave the line, and a lane that has jobs but no worker is wanted. Answers how much was done.
 * Where the gate is each API process's own, that process mends its line itself, and only lanes are left.
 */
export function createLineMender(house: { sql: Sql; engine: Engine }): () => Promise<number> {
  const { sql, engine } = house;
  const stores = openStores(house);
  const { probe } = stores;
  let after: string | null = null;

  async function mend(id: string): Promise<number> {
    if (!probe || (await probe.look(id)).inLine === 0) return 0;
    const { added, takenOut } = await mendLine(stores, id);
    return added + takenOut;
  }

  async function wantForgotten(id: string, name: string): Promise<number> {
    if ((await engine.countUndecided(laneOf(id))) === 0) return 0;
    await engine.roster.want(laneOf(id), name);
    metrics.repairs.inc({ what: 'lane wanted' });
    return 1;
  }

  return async () => {
    let done = 0;
    const busy = new Map((await listBusy(sql, engine)).map(coupon => [coupon.id, coupon]));
    for (const { id, name, lane } of busy.values()) {
      done += await mend(id);
      if (!lane?.open) done += await wantForgotten(id, name);
    }
    // Also lanes that an emptied store has forgotten: a lone claim added in that instant would wait for ever.
    const quiet = await listCoupons(sql, after, limits.quietMost);
    after = quiet.length < limits.quietMost ? null : (quiet.at(-1)?.id ?? null);
    for (const { id, name } of quiet.filter(coupon => !busy.has(coupon.id)))
      done += (await mend(id)) || (await wantForgotten(id, name));
    return done;
  };
}
