import type { Check } from '@claimline/db/checks';
import { sqlFile } from '@claimline/db/sql-file';

/** What bookings and payments promise, for the checker: name to sentence, and the query that finds what is not so. */
export const bookingCheck: Check = {
  isOfCoupons: false,
  invariants: {
    'seats-are-booked-once': 'a seat belongs to one confirmed or pending booking at most',
    'bookings-have-their-seats':
      'the seats of a confirmed booking are booked by its reservation, and all of them',
    'booked-reservations-have-a-booking':
      'a booked reservation has a confirmed booking, and a canceled booking no seats',
    'bookings-are-paid': 'a confirmed booking has a payment of its amount that was booked',
    'charges-are-booked-or-given-back': 'a payment is under way, booked, given back, or took nothing',
    'payments-do-not-stand-still': 'a payment or refund that is under way is looked at when it is due',
    'refunds-within-payment':
      'no more was given back than was paid, and what a booking counts is what its refunds come to',
  },
  sql: sqlFile(import.meta.url, './verify.sql'),
};
