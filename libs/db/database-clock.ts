/** What is known of the database's clock. Times are milliseconds; `monotonic` ones are of performance.now(). */
export type DatabaseClock = {
  /**
   * Takes in that the database said `databaseMs` between the two moments.
   */
  observe(sentMonotonicMs: number, receivedMonotonicMs: number, databaseMs: number): void;
  /** The database's time now, or undefined before the first observation. */
  nowMs(): number | undefined;
};

/**
 * Follows the database's clock without trusting ours, which may be wrong by hours and may jump: only
 * the monotonic clock carries the estimate from one observation to the next.
 */
export function createDatabaseClock(monotonicNow: () => number = () => performance.now()): DatabaseClock {
  let offsetMs: number | undefined;
  return {
    observe(sentMs, receivedMs, databaseMs) {
      // When the answer came in, the database's time was one of these. An estimate between them stands
      // (it may rest on a quicker answer than this one); one outside is moved to the nearer bound.
      const earliest = databaseMs;
      const latest = databaseMs + (receivedMs - sentMs);
      const estimate = offsetMs === undefined ? (earliest + latest) / 2 : receivedMs + offsetMs;
      offsetMs = Math.min(Math.max(estimate, earliest), latest) - receivedMs;
    },
    nowMs: () => (offsetMs === undefined ? undefined : monotonicNow() + offsetMs),
  };
}
