import { setTimeout as sleep } from 'node:timers/promises';
import { openChanges } from '@claimline/db/changes';
import { createHistogram, type Histogram, record } from './histogram.ts';

/** Takes the time from the acknowledgment of something to the news of its outcome, by id. */
export type OutcomeClock = {
  histogram: Histogram;
  accepted(id: string, nowMs: number): void;
  /** Resolves when nothing is undecided; throws after 30 s. */
  allDecided(): Promise<void>;
  close(): Promise<void>;
};

const DECIDE_LIMIT_MS = 30_000;
const DECIDE_POLL_MS = 10;

/**
 * Listens for outcomes where Claimline's API hears of them itself: in the notifications of the commit.
 * An outcome that overtakes its own acknowledgment took no time at all.
 *
 * @param idsOf the ids that a payload on `channel` decides
 */
export async function listenForOutcomes(
  databaseUrl: string,
  channel: string,
  idsOf: (payload: string) => string[],
): Promise<OutcomeClock> {
  const histogram = createHistogram();
  const acceptedAtMs = new Map<string, number>();
  const early = new Set<string>();
  const changes = await openChanges({
    url: databaseUrl,
    applicationName: 'load outcomes',
    onError: error => {
      throw error;
    },
  });
  await changes.on(channel, payload => {
    const nowMs = performance.now();
    for (const id of idsOf(payload)) {
      const sinceMs = acceptedAtMs.get(id);
      if (sinceMs === undefined) early.add(id);
      else {
        acceptedAtMs.delete(id);
        record(histogram, nowMs - sinceMs);
      }
    }
  });
  return {
    histogram,
    accepted(id, nowMs) {
      if (early.delete(id)) record(histogram, 0);
      else acceptedAtMs.set(id, nowMs);
    },
    async allDecided() {
      const deadlineMs = performance.now() + DECIDE_LIMIT_MS;
      while (acceptedAtMs.size > 0) {
        if (performance.now() > deadlineMs)
          throw new Error(`${acceptedAtMs.size} without an outcome after ${DECIDE_LIMIT_MS} ms`);
        await sleep(DECIDE_POLL_MS);
      }
    },
    close: () => changes.close(),
  };
}
