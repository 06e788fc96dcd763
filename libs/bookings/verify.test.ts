import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bookReservation } from './book-reservation.ts';
import { refundBooking } from './refund.ts';
import { newRefundId } from './refund-row.ts';
import { type Bookings, openBookings } from './testing.ts';

let world: Bookings;
beforeAll(async () => {
  world = await openBookings();
});
afterAll(() => world.close());

/** A booking of 2 seats for 3,000. */
async function booked(token = 'tok_ok') {
  const held = await world.hold();
  const order = { reservationId: held.id, method: 'mock', token, metadata: undefined };
  const { booking } = await bookReservation(world.house, { ...order, paymentId: `pay_${randomUUID()}` });
  return booking;
}

type Breakage = [invariant: string, break_: (reference: string) => Promise<unknown>];

const ofReservation = (reference: string) => world.sql`
  (select reservation_id from bookings where reference = ${reference})`;
const ofPayment = (reference: string) => world.sql`
  (select payment_id from bookings where reference = ${reference})`;

const breakages: Breakage[] = [
  [
    'bookings-have-their-seats',
    reference => world.sql`
      update seats set status = 'available', reservation_id = null where id = (
        select id from seats where reservation_id = ${ofReservation(reference)} limit 1)`,
  ],
  [
    'booked-reservations-have-a-booking',
    reference => world.sql`
      update bookings set status = 'canceled', canceled_at = now(), refunded_amount = amount
      where reference = ${reference}`,
  ],
  [
    'bookings-are-paid',
    reference => world.sql`update bookings set amount = 4000 where reference = ${reference}`,
  ],
  [
    'bookings-are-paid',
    async reference => {
      await world.sql`alter table bookings drop constraint if exists bookings_payment_id_fkey`;
      await world.sql`delete from payments where id = ${ofPayment(reference)}`;
    },
  ],
  [
    'charges-are-booked-or-given-back',
    reference => world.sql`delete from bookings where reference = ${reference}`,
  ],
  [
    'charges-are-booked-or-given-back',
    reference => world.sql`update payments set status = 'undone' where id = ${ofPayment(reference)}`,
  ],
  [
    'payments-do-not-stand-still',
    reference => world.sql`
      update payments set status = 'charging', due_at = now() - interval '25 hours' where id = ${ofPayment(reference)}`,
  ],
  [
    'refunds-within-payment',
    reference => world.sql`update bookings set refunded_amount = 1 where reference = ${reference}`,
  ],
  [
    'seats-are-booked-once',
    reference => world.sql`
      update bookings set seats = (select seats from bookings where reference = ${reference}) where reference <> ${reference}
        and status = 'confirmed'`,
  ],
];

test.each(breakages)('%s: broken, it is named', async (invariant, break_) => {
  await booked();
  await booked('tok_pending');
  const canceled = await booked();
  await refundBooking(world.house, { reference: canceled.reference, refundId: newRefundId(), amount: null });
  const { reference } = await booked();
  expect(await world.verify()).toEqual({});
  await break_(reference);
  expect(Object.keys(await world.verify())).toContain(invariant);
  await world.sql`truncate bookings, refunds, payments`;
  await world.sql`truncate seats, reservations cascade`;
});

test('a pending booking whose seats were given back and sold again has them no more', async () => {
  const pending = await booked('tok_pending');
  await booked();
  await world.sql`
    update bookings set seats = (select seats from bookings where reference = ${pending.reference})
    where status = 'confirmed'`;
  expect(await world.verify()).toMatchObject({ 'seats-are-booked-once': 2 });
  await world.sql`update reservations set status = 'canceled' where id = ${ofReservation(pending.reference)}`;
  expect(Object.keys(await world.verify())).not.toContain('seats-are-booked-once');
});
