import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import { metrics } from '@claimline/telemetry/metrics';
import { compareWithTable, type Target } from './drift.ts';
import { mendLine } from './mend-line.ts';
import { forgetAtGate } from './repairs.ts';
import { openStores } from './verify.ts';
import { listBusy, listCoupons } from './visit-coupons.ts';

const limits = {
  /**
   * Coupons that nobody wanted lately whose lines a round looks at; the next round goes on after them. Looking
   * costs 0.4 ms, dropping what has finished 0.2 ms, and as long as their queues are kept open 18 kB each: 2 % of a core
   * on MEND_SECONDS=15.
   */
  quietMost: 500,
} as const;

/**
 * What a worker does again and again while sales go on: places in line without a job get one, decided
 * tickets leave the line, a lane that has jobs but no worker is wanted, and a gate that is ahead of the table, as
 * after a restore of the database, forgets the coupon. Answers how much was done.
 * Where the gate is each API process's own, that process mends its line itself, and only lanes are left.
 */
export function createLineMender(house: { sql: Sql; engine: Engine }): () => Promise<number> {
  const { sql, engine } = house;
  const stores = openStores(house);
  const { probe } = stores;
  let after: string | null = null;

  async function mend(target: Target): Promise<number> {
    if (!probe) return 0;
    const { known, inLine } = await probe.look(target.id);
    let done = 0;
    // Being ahead is no matter of time, so this waits for nothing; who is in line stays there.
    if (
      known &&
      (await compareWithTable(sql, target.id, known)).what &&
      (await forgetAtGate(stores, target.id))
    )
      done++;
    if (inLine === 0) return done;
    const { added, takenOut } = await mendLine(stores, target.id);
    return done + added + takenOut;
  }

  async function wantForgotten({ lane, name }: Target): Promise<number> {
    if ((await engine.countUndecided(lane)) === 0) return 0;
    await engine.roster.want(lane, name);
    metrics.repairs.inc({ what: 'lane wanted' });
    return 1;
  }

  return async () => {
    let done = 0;
    const coupons = (await listBusy(sql, engine)).filter(one => one.isCoupon);
    const busy = new Map(coupons.map(coupon => [coupon.id, coupon]));
    for (const coupon of busy.values()) {
      done += await mend(coupon);
      if (!coupon.state?.open) done += await wantForgotten(coupon);
    }
    // Also lanes that an emptied store has forgotten: a lone claim added in that instant would wait for ever.
    const quiet = await listCoupons(sql, after, limits.quietMost);
    after = quiet.length < limits.quietMost ? null : (quiet.at(-1)?.id ?? null);
    for (const coupon of quiet.filter(one => !busy.has(one.id))) {
      done += (await mend(coupon)) || (await wantForgotten(coupon));
      await engine.clean(coupon.lane);
    }
    return done;
  };
}
