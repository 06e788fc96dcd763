import { LRUCache } from 'lru-cache';
import type { Engine } from './engine.ts';

export const feederLimits = {
  /** A lane is said to be wanted once in this time, not with every job. Shorter than its quiet time. */
  wantEveryMs: 1000,
  /** Lanes of which it is remembered when they were wanted last. */
  lanesMost: 50_000,
} as const;

/** Says of lanes that they are wanted, before jobs are added, and not more often than it takes. */
export function createFeeder(engine: Engine) {
  const wantedAtMs = new LRUCache<string, number>({ max: feederLimits.lanesMost });
  return {
    /** Called before a job is added. `label` is for people. */
    async want(lane: string, label: string): Promise<void> {
      const lastMs = wantedAtMs.get(lane) ?? Number.NEGATIVE_INFINITY;
      if (performance.now() - lastMs < feederLimits.wantEveryMs) return;
      await engine.roster.want(lane, label);
      wantedAtMs.set(lane, performance.now());
    },
  };
}
