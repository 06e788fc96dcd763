import { createTrain, type Load, type Train } from '@claimline/kernel/train';
import { metrics } from '@claimline/telemetry/metrics';
import { LRUCache } from 'lru-cache';
import { createStandingWait } from './standing-wait.ts';

export const platformLimits = {
  /**
   * The fuller a train was, the longer the next waits for company: fuller trains cost the queue, the
   * worker and Postgres less, and a train of fewer than 32 delays nobody.
   */
  paceMsPerClaim: 1 / 32,
  paceMsMost: 4,
  /** Platforms kept; a platform is a small object a lane. */
  platformsMost: 50_000,
} as const;

/** What a lane's trains remember of the last one. */
export type Track = { lastMs: number; isRefusing: boolean };
type Waiting<Item> = { item: Item; sinceMs: number };

/**
 * Where requests wait for the next train of their lane, that of a coupon or an event. Too many do not: see
 * createStandingWait, which is asked for each lane by itself, so that one that is besieged turns nobody away
 * from another, and for all that wait in this process, which a thousand lanes may fill with few requests each.
 *
 * @param seats requests in one train: one call of the gate and one job
 * @param load what a request weighs, and the most that a train carries
 * @param depart takes the first to come through the gate and answers for each, in their order
 */
export function createPlatforms<Item, Answer>({
  waitMostMs,
  seats,
  load,
  depart,
}: {
  waitMostMs: number;
  seats: number;
  load?: Load<Item>;
  depart: (name: string, items: Item[], track: Track) => Promise<Answer[]>;
}) {
  const openCrowd = () => ({ waiting: 0, wait: createStandingWait(waitMostMs) });
  const all = openCrowd();

  function openPlatform(name: string) {
    const track: Track = { lastMs: Number.NEGATIVE_INFINITY, isRefusing: false };
    const crowd = openCrowd();
    const train: Train<Waiting<Item>, Answer> = createTrain({
      seats,
      load: load && { weigh: ({ item }) => load.weigh(item), most: load.most },
      paceMs: size => Math.min(platformLimits.paceMsMost, size * platformLimits.paceMsPerClaim),
      async depart(passengers) {
        for (const those of [crowd, all]) those.waiting -= passengers.length;
        try {
          const items = passengers.map(({ item }) => item);
          return await depart(name, items, track);
        } finally {
          track.lastMs = performance.now();
          const { sinceMs } = passengers[0] as Waiting<Item>;
          for (const { wait } of [crowd, all]) wait.passed(passengers.length, sinceMs, track.lastMs);
          metrics.gateWaitSeconds.observe((track.lastMs - sinceMs) / 1000);
        }
      },
    });
    return { train, crowd };
  }
  const platforms = new LRUCache<string, ReturnType<typeof openPlatform>>({
    max: platformLimits.platformsMost,
  });

  return {
    /** Boards the next train of the lane; null where too many wait for too long. Errors: those of `depart`. */
    board(name: string, item: Item): Promise<Answer> | null {
      let platform = platforms.get(name);
      if (!platform) {
        platform = openPlatform(name);
        platforms.set(name, platform);
      }
      const { train, crowd } = platform;
      const sinceMs = performance.now();
      for (const [those, why] of [[crowd, 'lane_wait'] as const, [all, 'process_wait'] as const])
        if (!those.wait.admits(those.waiting, sinceMs)) {
          metrics.shed.inc({ why });
          return null;
        }
      for (const those of [crowd, all]) those.waiting++;
      return train.board({ item, sinceMs });
    },
  };
}
