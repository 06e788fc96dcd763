import type { Check } from '@claimline/db/checks';
import { sqlFile } from '@claimline/db/sql-file';

/** What seats promise, for the checker: name to sentence, and the query that finds what is not so. */
export const seatCheck: Check = {
  isOfCoupons: false,
  invariants: {
    'reservations-are-whole': 'a live or booked reservation has all of its seats',
    'seats-have-a-reservation':
      'a held seat is of an active reservation, and a booked one of one that is booked',
    'no-seat-in-two-reservations': 'no seat is in two reservations that are live or booked',
    'reservations-add-up': 'a reservation counts its seats and the sum of their prices',
    'reservation-tickets-are-decided-once': 'no ticket has a reservation and a refusal',
    'sweep-keeps-up': 'reservations that have lapsed are ended within minutes',
  },
  sql: sqlFile(import.meta.url, './verify.sql'),
};
