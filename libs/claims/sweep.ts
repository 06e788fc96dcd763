import type { Engine } from '@claimline/queue/engine';
import { metrics } from '@claimline/telemetry/metrics';
import { type Gate, gateLimits } from './gate.ts';
import type { JobData } from './job.ts';
import { laneOf } from './lane-name.ts';

const limits = {
  /** Jobs read of each state to find the first in line; of those that wait, the first come first. */
  jobsRead: 32,
} as const;

/**
 * Gives back places in line that have no job: their API process died between the gate and the
 * queue, or the queue lost them. Their tickets then read as lost and the people may claim again.
 *
 * A busy lane is swept too, or such a place would wait for a lull in the sale: what was admitted long ago
 * and stands in line before every job has none. It would be no harm if it had: it would be settled all the
 * same. A gate of one process counts a line of its own, so there only a lane without a job is swept.
 *
 * @returns true when the lane is done: no job and nobody in line
 */
export async function sweepLine(
  { engine, gate }: { engine: Engine; gate: Gate },
  couponId: string,
): Promise<boolean> {
  const { jobs } = await engine.listUndecided(laneOf(couponId), limits.jobsRead);
  if (jobs.length > 0 && !gate.isShared) return false;
  const { swept, left } = await gate.sweep(couponId, gateLimits.orphanMs, firstLine(jobs));
  if (swept > 0) metrics.placesGivenBack.inc(swept);
  return jobs.length === 0 && left === 0;
}

/** The lowest line number in these jobs; undefined without a job, 0 when there is none to be read. */
function firstLine(jobs: unknown[]): number | undefined {
  if (jobs.length === 0) return undefined;
  const lines = jobs.map(lineOf).filter(line => line !== undefined);
  return lines.length === 0 ? 0 : Math.min(...lines);
}

/** Claims stand in a job in line order, so the first tells; an operator may have written anything. */
function lineOf(job: unknown): number | undefined {
  const line: unknown = (job as Partial<JobData> | null)?.claims?.[0]?.[2];
  return typeof line === 'number' ? line : undefined;
}
