import { randomUUID } from 'node:crypto';
import { ProviderAwayError } from '@claimline/payments';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { bookReservation } from './book-reservation.ts';
import { readBooking } from './booking.ts';
import { refundBooking } from './refund.ts';
import { newRefundId } from './refund-row.ts';
import { resumePayments } from './sweep.ts';
import { type Bookings, openBookings } from './testing.ts';

let world: Bookings;
beforeAll(async () => {
  world = await openBookings();
});
afterEach(async () => expect(await world.faults()).toEqual([]));
afterAll(() => world.close());

/** A booking of 2 seats for 3,000. */
async function booked(token = 'tok_ok', price = 1500) {
  const held = await world.hold({ price });
  const order = { reservationId: held.id, method: 'mock', token, metadata: undefined };
  const { booking } = await bookReservation(world.house, { ...order, paymentId: `pay_${randomUUID()}` });
  const { reference } = booking;
  return {
    held,
    refund: (amount: number | null, refundId = newRefundId()) =>
      refundBooking(world.house, { reference, refundId, amount }).then(
        () => 'ok',
        error => error.problem?.code ?? String(error),
      ),
    async state() {
      const { status, refunded_amount, refunding_amount } = await readBooking(world.sql, reference);
      const [seats] = await world.sql`
        select count(*) filter (where status = 'booked')::int as booked from seats where reservation_id = ${held.id}`;
      const [charge] = await world.sql`
        select mock_charges.refunded_amount as back from mock_charges join payments on charge_id = mock_charges.id
        where reservation_id = ${held.id}`;
      return { status, refunded_amount, refunding_amount, seats: seats?.booked, back: charge?.back };
    },
  };
}

test('a part leaves the booking, all of it cancels the booking and frees the seats', async () => {
  const { held, refund, state } = await booked();
  expect(await refund(500)).toBe('ok');
  expect(await state()).toMatchObject({ status: 'confirmed', refunded_amount: 500, seats: 2, back: 500 });
  expect(await refund(2501)).toBe('refund_exceeds_payment');
  expect(await refund(null)).toBe('ok');
  const done = { status: 'canceled', refunded_amount: 3000, refunding_amount: 0, seats: 0, back: 3000 };
  expect(await state()).toEqual(done);
  expect(await refund(null)).toBe('ok');
  expect(await refund(1)).toBe('already_refunded');
  expect(await state()).toEqual(done);
  const again = {
    paymentId: 'pay_again',
    reservationId: held.id,
    method: 'mock',
    token: null,
    metadata: undefined,
  };
  await expect(bookReservation(world.house, again)).rejects.toMatchObject({
    problem: { code: 'reservation_expired' },
  });
});

test('parts that come to all of it cancel the booking', async () => {
  const { refund, state } = await booked();
  expect(await refund(1000)).toBe('ok');
  expect(await refund(2000)).toBe('ok');
  expect(await state()).toMatchObject({ status: 'canceled', seats: 0, back: 3000 });
});

test('20 refunds of 1,000 at once give back 3 of them, 20 times the same one gives back 1', async () => {
  const [many, one] = [await booked(), await booked()];
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => many.refund(1000)));
  expect(outcomes.filter(outcome => outcome === 'ok').length).toBe(3);
  expect(await many.state()).toMatchObject({ status: 'canceled', back: 3000 });
  const id = newRefundId();
  const same = await Promise.all(Array.from({ length: 20 }, () => one.refund(1000, id)));
  expect(same.filter(outcome => outcome === 'ok').length).toBeGreaterThan(0);
  expect(await one.refund(1000, id)).toBe('ok');
  expect(await one.state()).toMatchObject({ status: 'confirmed', refunded_amount: 1000, back: 1000 });
});

test('a refund that the provider refuses leaves all as it was', async () => {
  const { refund, state } = await booked('tok_refund_fails');
  expect(await refund(null)).toBe('refund_failed');
  expect(await state()).toEqual({
    status: 'confirmed',
    refunded_amount: 0,
    refunding_amount: 0,
    seats: 2,
    back: 0,
  });
});

test('a refund whose process died is carried out by the sweep', async () => {
  const { refund, state } = await booked();
  world.house.reach = point => {
    if (point === 'refund begun') throw new Error('died');
  };
  expect(await refund(null)).toContain('died');
  world.house.reach = () => {};
  expect(await state()).toMatchObject({ status: 'confirmed', refunding_amount: 3000, seats: 2 });
  await world.sql`update refunds set due_at = now() where due_at is not null`;
  await resumePayments(world.house, error => expect(error).toBeUndefined());
  expect(await state()).toMatchObject({ status: 'canceled', refunding_amount: 0, seats: 0, back: 3000 });
});

test('a refund while the provider is away is begun, and carried out once, later', async () => {
  const { refund, state } = await booked();
  const { providers } = world.house;
  const away = async () => Promise.reject(new ProviderAwayError('mock'));
  world.house.providers = { take: name => ({ ...providers.take(name), refund: away }) };
  expect(await refund(null)).toBe('ok');
  expect(await state()).toMatchObject({ status: 'confirmed', refunding_amount: 3000, seats: 2, back: 0 });
  expect(await refund(null)).toBe('ok');
  expect(await refund(1)).toBe('refund_exceeds_payment');
  world.house.providers = providers;
  await world.sql`update refunds set due_at = now() where due_at is not null`;
  await resumePayments(world.house, error => expect(error).toBeUndefined());
  expect(await state()).toMatchObject({ status: 'canceled', refunding_amount: 0, seats: 0, back: 3000 });
});

test('a free booking is canceled without a provider, a pending one not at all', async () => {
  const free = await booked('tok_ok', 0);
  expect(await free.refund(null)).toBe('ok');
  expect(await free.state()).toMatchObject({ status: 'canceled', seats: 0 });
  const pending = await booked('tok_pending');
  expect(await pending.refund(null)).toBe('booking_not_confirmed');
});
