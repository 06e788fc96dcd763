import type { EventFacts } from './facts.ts';
import type { Reason } from './plan.ts';
import { isFree, type SeatMap } from './seat-map.ts';
import type { Wish } from './wish.ts';

/** Why the gate lets a wish not pass, and which seats are to blame. */
export type Refusal = { reason: Reason; refused: string[] | null };

/** Why nobody can reserve now, or null. @param nowMs the database's clock; where it is unknown, times are left to settle */
export function closedReason(
  { isCanceled, startsAtMs, onSaleAtMs }: EventFacts,
  nowMs: number | undefined,
): 'not_on_sale' | null {
  if (isCanceled) return 'not_on_sale';
  if (nowMs === undefined) return null;
  return startsAtMs <= nowMs || (onSaleAtMs !== null && onSaleAtMs > nowMs) ? 'not_on_sale' : null;
}

/**
 * What the gate says to a wish: a refusal, by what this process has heard, or null: get in line. It refuses
 * nothing that settle would not, in the same order, and never holds a seat. No query and no job.
 */
export function judge(
  event: EventFacts,
  map: SeatMap,
  wish: Wish,
  nowMs: number | undefined,
): Refusal | null {
  const closed = closedReason(event, nowMs);
  if (closed) return { reason: closed, refused: null };
  if (nowMs === undefined) return null;
  if ('quantity' in wish)
    return map.countFree(wish.section, nowMs) < wish.quantity ? { reason: 'sold_out', refused: null } : null;
  const { seats: named } = wish;
  const refuse = (reason: Reason, isWrong: (i: number) => boolean): Refusal | null => {
    const refused = named.filter((_, i) => isWrong(i)).map(({ number }) => number);
    return refused.length > 0 ? { reason, refused } : null;
  };
  const seats = named.map(({ number }) => map.get(number));
  return (
    refuse('seat_not_found', i => seats[i] === undefined) ??
    refuse('seat_taken', i => seats[i] !== undefined && !isFree(seats[i], nowMs)) ??
    // A version that was not heard of yet is newer than what is known here: settle knows it.
    refuse('stale_seat', i => (named[i]?.version ?? Number.POSITIVE_INFINITY) < (seats[i]?.version ?? 0))
  );
}
