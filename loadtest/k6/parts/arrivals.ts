import exec from 'k6/execution';
import type { Options } from 'k6/options';
import { arrivals } from './counts.ts';

const limits = {
  /** Time for requests under way when the last one has started. */
  gracefulStopS: 60,
  /** A little more time than the arrivals need, so that the last one is not lost to the end. */
  marginMs: 50,
  /** k6 accepts no shorter constant rate. */
  durationLeastMs: 1000,
} as const;

/**
 * An open model: `count` arrivals at a constant rate a second, whatever the answers do. An arrival that finds all
 * `connections` busy is dropped, and counted as such. A crowd that would all arrive within a second arrives at
 * once, each on a connection of its own. Every iteration has to begin with `arrive(count)`.
 */
export function openModel(plan: { rate: number; count: number; connections: number }): Options['scenarios'] {
  const durationMs = Math.ceil(((plan.count - 1) * 1000) / plan.rate) + limits.marginMs;
  const gracefulStop = `${limits.gracefulStopS}s`;
  if (durationMs < limits.durationLeastMs)
    return { arrivals: { executor: 'per-vu-iterations', vus: plan.count, iterations: 1, gracefulStop } };
  return {
    arrivals: {
      executor: 'constant-arrival-rate',
      rate: plan.rate,
      timeUnit: '1s',
      duration: `${durationMs}ms`,
      // Who arrives in the margin goes away again, but needs somebody to do so.
      preAllocatedVUs: plan.connections + Math.ceil((plan.rate * limits.marginMs) / 1000),
      gracefulStop,
    },
  };
}

/** A number from 0 on that nobody else in this run has; null when all `count` have arrived. */
export function arrive(count: number): number | null {
  const turn = exec.scenario.iterationInTest;
  if (turn >= count) return null;
  arrivals.add(1);
  return turn;
}
