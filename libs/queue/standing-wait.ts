/**
 * Whether people wait too long in front of the gate, and how many may.
 *
 * A spike is let in whole: its first wait a moment, its last a little longer, and then it is over. A wait that
 * stands is of use to nobody, since as many are answered as with a short one, only later. So, as CoDel does for
 * packets, this looks at the shortest wait of a while rather than at the longest: once nobody was through
 * within the target for `intervalMs`, only as many may wait as are through in `heldShare` of the target,
 * until nobody had to be refused for as long.
 *
 * The delay of the event loop says nothing of that: its median was 13 ms in an overload in which a tenth of the
 * trains had waited longer than a quarter of a second, since a turn of the loop only reads what came since
 * the one before.
 */
export type StandingWait = {
  /** Whether one more may wait where `waiting` do. */
  admits(waiting: number, nowMs: number): boolean;
  /** Some are through, of whom the first had come at `sinceMs` (performance.now()). */
  passed(count: number, sinceMs: number, nowMs: number): void;
};

export const standingWaitLimits = {
  /** A wait that has been too long for so long stands. */
  intervalMs: 2000,
  /**
   * What the target is cut to. Not shorter: a turn of the event loop that has thousands to turn away takes a while, and a
   * queue that is empty before its end leaves the gate idle. With a quarter, a fifth of the capacity was answered.
   */
  heldShare: 0.5,
  /** So many may always wait: a train. Where the stores are slow and not the crowd large, fewer would be no faster. */
  alwaysMost: 500,
} as const;

/** @param targetMs the longest wait that may stand */
export function createStandingWait(targetMs: number): StandingWait {
  const { intervalMs, heldShare, alwaysMost } = standingWaitLimits;
  /** When somebody last was through in time, or nobody waited. */
  let calmMs = Number.NEGATIVE_INFINITY;
  let refusedMs = Number.NEGATIVE_INFINITY;
  let isStanding = false;
  let most: number = alwaysMost;
  let count = { passed: 0, sinceMs: 0 };

  /**
   * How many pass in the time that may be waited, measured anew in every interval. While some are turned away it is
   * only ever raised: fewer pass then because fewer are let in.
   */
  function measure(passed: number, nowMs: number) {
    count.passed += passed;
    const tookMs = nowMs - count.sinceMs;
    if (tookMs < intervalMs) return;
    most = Math.max(isStanding ? most : alwaysMost, (count.passed / tookMs) * targetMs * heldShare);
    count = { passed: 0, sinceMs: nowMs };
  }

  function calmDown(nowMs: number) {
    calmMs = nowMs;
    count = { passed: 0, sinceMs: nowMs };
  }

  return {
    admits(waiting, nowMs) {
      if (isStanding && nowMs - refusedMs > intervalMs) {
        isStanding = false;
        calmDown(nowMs);
      }
      if (!isStanding && waiting === 0) calmDown(nowMs);
      if (!isStanding || waiting < most) return true;
      refusedMs = nowMs;
      return false;
    },
    passed(passed, sinceMs, nowMs) {
      measure(passed, nowMs);
      if (isStanding) return;
      if (nowMs - sinceMs < targetMs) calmMs = nowMs;
      else if (nowMs - calmMs > intervalMs) {
        isStanding = true;
        refusedMs = nowMs;
      }
    },
  };
}
