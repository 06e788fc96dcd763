import type { Engine } from '@claimline/queue/engine';
import { metrics } from '@claimline/telemetry/metrics';
import { type Gate, gateLimits } from './gate.ts';
import { laneOf } from './lane-name.ts';

/**
 * Gives back places in line that have no job: their API process died between the gate and the
 * queue, or the queue lost them. Their tickets then read as lost and the people may claim again.
 *
 * @returns true when the lane is done: no job and nobody in line
 */
export async function sweepLine(
  { engine, gate }: { engine: Engine; gate: Gate },
  couponId: string,
): Promise<boolean> {
  if ((await engine.countUndecided(laneOf(couponId))) > 0) return false;
  const { swept, left } = await gate.sweep(couponId, gateLimits.orphanMs);
  if (swept > 0) metrics.placesGivenBack.inc(swept);
  return left === 0;
}
