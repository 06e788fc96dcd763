/* A crowd at once on the seats of one event, with sets that cross: nobody is split, and no seat is held twice. */
import { arrive, openModel } from './parts/arrivals.ts';
import { addSeats, createEvent, readEventSeats, reserveSeats } from './parts/calls.ts';
import { countReservation } from './parts/claim-answer.ts';
import { coupons, grantsUnaccounted } from './parts/counts.ts';
import { buildOptions } from './parts/options.ts';
import { summarizeAs } from './parts/report.ts';
import { closeSale, openSale, type Sale, tellGrant } from './parts/sale.ts';
import { readSettings } from './parts/settings.ts';

const { people, seats, ...settings } = readSettings('seat-scramble');

const WANTED = 3;

export const options = buildOptions({
  ...settings,
  scenarios: openModel({ ...settings, count: people }),
  arrivals: people,
  possible: ['granted', 'seat_taken'],
  coupons: 1,
});

type Scramble = Sale & { event: string };

export function setup(): Scramble {
  const sale = openSale('seat-scramble', settings.warmUp, []);
  const event = createEvent(sale.run);
  addSeats(
    event,
    Array.from({ length: seats }, (_, seat) => String(seat)),
  );
  return { ...sale, event };
}

/** Everybody wants a seat, its neighbor and one from across the hall: each seat is in six sets. */
export default function scramble({ run, event }: Scramble): void {
  const turn = arrive(people);
  if (turn === null) return;
  const wish = [turn, turn + 1, turn + Math.floor(seats / 2)].map(seat => String(seat % seats));
  const { said, held } = countReservation(reserveSeats(turn, event, `${run}-${turn}`, wish));
  if (said === 'granted') tellGrant();
  if (said === 'granted' && held !== WANTED) coupons.wrong.add(1);
}

/** With a seat in two reservations, or a set that was split, fewer seats are held than the answers told of. */
export function teardown(sale: Scramble): void {
  closeSale(sale);
  const { total, available, held } = readEventSeats(sale.event);
  grantsUnaccounted.add(-held / WANTED);
  const isExact = total === seats && available + held === seats && held % WANTED === 0;
  coupons[isExact ? 'exact' : 'wrong'].add(1);
  if (!isExact) console.error(`${held} seats are held and ${available} left of ${total}, not of ${seats}`);
}

export const handleSummary = summarizeAs('seat-scramble');
