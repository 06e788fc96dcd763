import { expect, test } from 'vitest';
import { planHolds, type Seat, type Verdict } from './plan.ts';
import { SeatMap } from './seat-map.ts';
import type { Wish } from './wish.ts';

/** Seats of rows such as 'AAAA-A', where a dash is a seat that is not free. */
function house(...rows: string[]): Seat[] {
  return rows
    .flatMap((row, r) =>
      [...row].map((mark, i) => ({ row: `row ${r}`, place: i + 1, isFree: mark !== '-', mark })),
    )
    .map(({ row, place, isFree, mark }, i) => ({
      ...{ id: i + 1, number: `${row.slice(4)}.${place}`, row, place, version: 1, isFree },
      section: mark === 'B' ? 'box' : 'hall',
    }));
}

function plan(seats: Seat[], ...wishes: Wish[]): string[] {
  const named = new Map(seats.map(seat => [seat.number, seat]));
  const verdicts = planHolds(
    wishes,
    named,
    seats.filter(seat => seat.isFree),
  );
  return verdicts.map(brief);
}

const brief = (verdict: Verdict) =>
  'seats' in verdict
    ? verdict.seats.map(seat => seat.number).join(' ')
    : `${verdict.reason} ${verdict.refused?.join(' ') ?? ''}`.trim();
const best = (quantity: number, section: string | null = null): Wish => ({ quantity, section });
const named = (...numbers: string[]): Wish => ({ seats: numbers.map(number => ({ number, version: null })) });

test('neighbors in the first row that has them, else the first that are left', () => {
  const seats = house('AA-AA', 'A-AAA');
  expect(plan(seats, best(3))).toEqual(['1.3 1.4 1.5']);
  expect(plan(seats, best(2), best(2), best(2), best(2), best(1))).toEqual([
    ...['0.1 0.2', '0.4 0.5', '1.3 1.4', '1.1 1.5', 'sold_out'],
  ]);
  expect(plan(seats, best(4))).toEqual(['0.1 0.2 0.4 0.5']);
  expect(plan(seats, best(9), best(8))).toEqual(['sold_out', '0.1 0.2 0.4 0.5 1.1 1.3 1.4 1.5']);
});

test('a row that was added in two parts, or out of step, is read from the left', () => {
  const seats = house('AAAA');
  expect(plan([seats[2], seats[3], seats[0], seats[1]] as Seat[], best(3))).toEqual(['0.1 0.2 0.3']);
});

test('only in the section that is asked for', () => {
  const seats = house('AAB', 'BBA');
  expect(plan(seats, best(2, 'box'), best(1, 'box'), best(1, 'box'), best(1, 'stage'))).toEqual([
    ...['1.1 1.2', '0.3', 'sold_out', 'sold_out'],
  ]);
});

test('crossing sets in their order: all of it or nothing, and what is refused takes nothing', () => {
  const seats = house('AAAA-');
  expect(
    plan(
      seats,
      named('0.1', '0.2'),
      named('0.2', '0.3'),
      named('0.3', '0.4'),
      named('0.5', '0.1'),
      named('0.9', '0.1'),
    ),
  ).toEqual(['0.1 0.2', 'seat_taken 0.2', '0.3 0.4', 'seat_taken 0.5 0.1', 'seat_not_found 0.9']);
  expect(plan(seats, named('0.2'), best(2), best(1), best(1))).toEqual(['0.2', '0.3 0.4', '0.1', 'sold_out']);
});

test('a version that is not the one that was seen is refused, where the seat is free', () => {
  const seats = house('AA-');
  const seen = (number: string, version: number): Wish => ({ seats: [{ number, version }] });
  expect(plan(seats, seen('0.1', 2), seen('0.1', 1), seen('0.1', 1), seen('0.3', 9))).toEqual([
    ...['stale_seat 0.1', '0.1', 'seat_taken 0.1', 'seat_taken 0.3'],
  ]);
});

test('a section that no seat has is answered without a look, and is not remembered', () => {
  const map = new SeatMap();
  map.put('1', { section: 'hall', status: 'available', version: 1, heldUntilMs: null });
  const { counts } = map as unknown as { counts: Map<string | null, unknown> };
  for (let n = 0; n < 1000; n++) expect(map.countFree(`section ${n}`, 0)).toBe(0);
  expect([map.countFree('hall', 0), map.countFree(null, 0), counts.size]).toEqual([1, 1, 2]);
});
