import type { Wish } from './wish.ts';

/** Why nothing was reserved. */
export type Reason =
  | 'event_not_found'
  | 'not_on_sale'
  | 'seat_not_found'
  | 'seat_taken'
  | 'stale_seat'
  | 'sold_out';

/** A seat as a settle is prepared on it. */
export type Seat = {
  id: number;
  number: string;
  section: string;
  row: string;
  /** Neighbors are one apart. */
  place: number;
  version: number;
  isFree: boolean;
};

/** Seats to be held together, or why not and which seats are to blame. */
export type Verdict = { seats: Seat[] } | { reason: Reason; refused: string[] | null };

/**
 * Decides wishes one after the other, each on what those before it have left. It only proposes: hold.sql holds
 * every seat it names as it was seen, or nothing.
 *
 * Best available is what was added first. A wish for several gets neighbors: the first stretch, from the left, of
 * the first row that has one, rows in the order of their first free seat; where no row has, the first seats
 * that are left.
 *
 * @param named the seats that wishes name, of those that exist
 * @param free every free seat that a wish without names may get, in order
 */
export function planHolds(wishes: Wish[], named: Map<string, Seat>, free: Seat[]): Verdict[] {
  const taken = new Set<number>();
  const rows = rowsOf(free);
  return wishes.map(wish => {
    const verdict = 'seats' in wish ? planNamed(wish, named, taken) : planBest(wish, free, rows, taken);
    if ('seats' in verdict) for (const { id } of verdict.seats) taken.add(id);
    return verdict;
  });
}

function planNamed(
  wish: Extract<Wish, { seats: unknown }>,
  named: Map<string, Seat>,
  taken: Set<number>,
): Verdict {
  const seats = wish.seats.map(({ number }) => named.get(number));
  const refuse = (reason: Reason, isWrong: (i: number) => boolean): Verdict | null => {
    const refused = wish.seats.filter((_, i) => isWrong(i)).map(({ number }) => number);
    return refused.length > 0 ? { reason, refused } : null;
  };
  return (
    refuse('seat_not_found', i => seats[i] === undefined) ??
    refuse('seat_taken', i => !seats[i]?.isFree || taken.has(seats[i].id)) ??
    refuse('stale_seat', i => {
      const version = wish.seats[i]?.version ?? null;
      return version !== null && version !== seats[i]?.version;
    }) ?? { seats: seats as Seat[] }
  );
}

function planBest(
  { quantity, section }: Extract<Wish, { quantity: number }>,
  free: Seat[],
  rows: Seat[][],
  taken: Set<number>,
): Verdict {
  const isLeft = (seat: Seat) => !taken.has(seat.id) && (section === null || seat.section === section);
  const first: Seat[] = [];
  for (const seat of free) {
    if (first.length === quantity) break;
    if (isLeft(seat)) first.push(seat);
  }
  if (first.length < quantity) return { reason: 'sold_out', refused: null };
  for (const row of rows) {
    const neighbors = findNeighbors(row, quantity, isLeft);
    if (neighbors) return { seats: neighbors };
  }
  return { seats: first };
}

function findNeighbors(row: Seat[], quantity: number, isLeft: (seat: Seat) => boolean): Seat[] | null {
  let stretch: Seat[] = [];
  for (const seat of row) {
    const isNext = seat.place === (stretch.at(-1)?.place ?? Number.NaN) + 1;
    stretch = isLeft(seat) ? (isNext ? [...stretch, seat] : [seat]) : [];
    if (stretch.length === quantity) return stretch;
  }
  return null;
}

/** Rows in the order of their first free seat, each from the left. */
function rowsOf(free: Seat[]): Seat[][] {
  const rows = new Map<string, Seat[]>();
  for (const seat of free) {
    const key = JSON.stringify([seat.section, seat.row]);
    const row = rows.get(key);
    if (row) row.push(seat);
    else rows.set(key, [seat]);
  }
  return [...rows.values()].map(row => row.sort((a, b) => a.place - b.place));
}
