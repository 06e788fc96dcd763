import { pause } from '@claimline/kernel/backoff';
import type { Problem } from '@claimline/kernel/error';
import { metrics } from '@claimline/telemetry/metrics';

export const loadLimits = {
  /**
   * How far each kind of call may fill the process up, as a share of the requests in flight: who could put
   * an end to the overload is let in when the crowd is not. Who watches it is counted apart, so that a crowd of
   * those takes nobody's place.
   */
  shares: { public: 1, keyed: 1.1, vital: 0.2 },
  /** Whoever is refused comes back after 1 to so many seconds, so that they do not all come back at once. */
  retryMostS: 5,
  /**
   * Whoever is turned away hears of it after about this. Clients that come again at once would otherwise fill every
   * turn of the event loop, and to turn one away takes as long as to let one in: of 10,000 claims a second 600 were
   * left. With 1 s, of 12,000 clients that come again at once, 67 % of the capacity was, with 2 s 86 %.
   */
  turnAwayMs: 2000,
  /** So many are kept waiting for that; whoever else is turned away hears of it at once. */
  turningAwayMost: 10_000,
} as const;

/** Who calls, as to how far they may fill the process up. */
type Kind = keyof typeof loadLimits.shares;

/** What a process works on at once, and who waits in it. */
export type Load = {
  /** Whether a call would be turned away: nothing need be read of it then. */
  isFull(kind: Kind): boolean;
  /** Counts a request in, unless the process is full; then it must not be counted out. */
  enter(kind: Kind): boolean;
  leave(kind: Kind): void;
  /**
   * Does what waits by intent. Meanwhile its request is not in flight: it costs memory and no work. Where
   * too many wait already it is not done, and the caller is told how things stand.
   */
  rest(wait: () => Promise<void>): Promise<void>;
  /** Counts in whoever stays without a request in flight, such as a stream; null where too many wait already. Leaving twice is leaving once. */
  stay(): { leave(): void } | null;
};

/**
 * Bounds what a process works on, whatever comes: a request that is turned away costs a fraction of one that
 * waits with thousands of others, and memory stays what it is.
 *
 * @param requestsMost requests in flight: whole and not answered, without those that wait by intent
 * @param waitersMost requests and streams that wait by intent
 */
export function createLoad({
  requestsMost,
  waitersMost,
}: {
  requestsMost: number;
  waitersMost: number;
}): Load {
  let requests = 0;
  let vitals = 0;
  let waiters = 0;

  function count(change: 1 | -1, kind: Kind = 'public') {
    if (kind === 'vital') vitals += change;
    else requests += change;
    metrics.requestsInFlight.inc(change);
  }

  function turnAway(isTooMany: boolean, why: 'in_flight' | 'waiters'): boolean {
    if (isTooMany) metrics.shed.inc({ why });
    return isTooMany;
  }

  const isFull = (kind: Kind) => {
    const now = kind === 'vital' ? vitals : requests;
    return turnAway(now >= requestsMost * loadLimits.shares[kind], 'in_flight');
  };
  const isCrowded = () => turnAway(waiters >= waitersMost, 'waiters');

  return {
    isFull,
    enter(kind) {
      if (isFull(kind)) return false;
      count(1, kind);
      return true;
    },
    leave: kind => count(-1, kind),
    async rest(wait) {
      if (isCrowded()) return;
      waiters++;
      count(-1);
      try {
        await wait();
      } finally {
        waiters--;
        count(1);
      }
    },
    stay() {
      if (isCrowded()) return null;
      waiters++;
      let isThere = true;
      return {
        leave() {
          if (isThere) waiters--;
          isThere = false;
        },
      };
    },
  };
}

/** Waits before somebody is turned away; each another while, so that they come back one by one. */
export async function beforeTurningAway(): Promise<void> {
  if (turningAway >= loadLimits.turningAwayMost) return;
  turningAway++;
  await pause(loadLimits.turnAwayMs * (0.5 + Math.random()));
  turningAway--;
}
let turningAway = 0;

/** One object for each time to come back, since a problem is made text once (problem.ts). */
const refusals: Problem[] = Array.from({ length: loadLimits.retryMostS }, (_, i) => ({
  code: 'overloaded',
  message: 'more requests have come than can be answered, try again',
  retryAfterSeconds: i + 1,
}));

/** What whoever comes in an overload is told: to come again, each after another time. */
export function overloadedProblem(): Problem {
  return refusals[Math.floor(Math.random() * refusals.length)] as Problem;
}
