import type { Sql } from '@claimline/db/pool';
import type { Engine, OpenLane } from '@claimline/queue/engine';
import { createGate } from './create-gate.ts';
import { openLane } from './lane.ts';
import { couponOf } from './lane-name.ts';
import { sweepLine } from './sweep.ts';

export { pruneRefusals } from './prune.ts';
export { settleSettings } from './settle.ts';

const limits = {
  /** How often a busy lane is swept. A quiet one is before it closes. */
  sweepEveryMs: 5000,
} as const;

/** How a worker process opens the lanes of coupons, and knows that one is done. */
export function createClaimLanes(house: { engine: Engine; sql: Sql; onError: (error: Error) => void }) {
  const gate = createGate(house.engine);

  async function isDone(lane: string): Promise<boolean> {
    const couponId = couponOf(lane);
    return couponId === null || !gate.isShared || sweepLine({ engine: house.engine, gate }, couponId);
  }

  return {
    isDone,
    open(lane: string): OpenLane {
      const opened = openLane(lane, { ...house, gate });
      const sweeper = setInterval(() => isDone(lane).catch(house.onError), limits.sweepEveryMs);
      return {
        close() {
          clearInterval(sweeper);
          return opened.close();
        },
        get lastBusyMs() {
          return opened.lastBusyMs;
        },
      };
    },
  };
}
