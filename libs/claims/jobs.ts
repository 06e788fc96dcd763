import type { Sql } from '@claimline/db/pool';
import type { Engine, OpenLane } from '@claimline/queue/engine';
import { createGate } from './create-gate.ts';
import { openLane } from './lane.ts';
import { couponOf } from './lane-name.ts';
import { isLineDone } from './mend-line.ts';

export { mendGates } from './mend-gates.ts';
export { createLineMender } from './mend-lines.ts';
export { pruneRefusals } from './prune.ts';
export { settleSettings } from './settle.ts';

/** How a worker process opens the lanes of coupons, and knows that one is done. */
export function createClaimLanes(house: { engine: Engine; sql: Sql; onError: (error: Error) => void }) {
  const gate = createGate(house.engine);
  return {
    open: (lane: string): OpenLane => openLane(lane, { ...house, gate }),
    async isDone(lane: string): Promise<boolean> {
      const couponId = couponOf(lane);
      if (couponId === null) return true;
      return gate.isShared
        ? isLineDone({ ...house, gate }, couponId)
        : (await house.engine.countUndecided(lane)) === 0;
    },
  };
}
