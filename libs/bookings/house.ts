import type { Sql } from '@claimline/db/pool';
import type { Providers } from '@claimline/payments';

/**
 * The places of the saga at which a process may be made to die, to prove that it does not matter. Each is
 * the moment after something was done and before it could be known to anybody else.
 */
export const points = [
  'payment begun',
  'charge prepared',
  'charge stored',
  'charged',
  'outcome stored',
  'refund begun',
  'refunded',
] as const;

export type Point = (typeof points)[number];

/** What the saga works with. `reach` is told of each point that is passed; it does nothing but in fault runs. */
export type House = { sql: Sql; providers: Providers; reach: (point: Point) => void; pendingSeconds: number };

export const sagaLimits = {
  /** Whoever works on a payment has it for this long, and again with each step: longer than a provider's longest call. */
  leaseSeconds: 30,
  /** Seats are held for this long when a payment begins, so that the sweep still finds them held. */
  holdSeconds: 120,
  /** Payments that may be tried for one reservation. */
  triesMost: 10,
  /** A pending payment is looked at this often where no webhook comes. */
  lookSeconds: 60,
  /** After a call that nobody answered, and doubled with each, up to the most. */
  againSeconds: 5,
  againMostSeconds: 600,
  /** Taken up by one sweep at the most, and worked on at once. */
  bite: 100,
  atOnce: 5,
} as const;

/** Seconds until what nobody answered is tried again, after so many runs. */
export function againIn(runs: number): number {
  const { againSeconds, againMostSeconds } = sagaLimits;
  return Math.min(againMostSeconds, againSeconds * 2 ** Math.min(runs - 1, 20));
}
