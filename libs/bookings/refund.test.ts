import { randomUUID } from 'node:crypto';
import { ProviderAwayError } from '@claimline/payments';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { bookReservation } from './book-reservation.ts';
import { readBooking, toBooking } from './booking.ts';
import { applyNotice } from './notice.ts';
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

/** The payer's bank sends a refund back, days after it was made; the provider's webhook says so, twice. */
async function comesBack(refundId: string) {
  const [refund] = await world.sql`
    with failed as (
      update mock_refunds set status = 'failed' where id = ${refundId} returning charge_id, amount
    )
    update mock_charges set refunded_amount = refunded_amount - failed.amount from failed
    where id = charge_id returning charge_id`;
  const notice = {
    provider: 'mock',
    type: 'refund.failed',
    chargeId: refund?.charge_id,
    refundId: `mock_${refundId}`,
  };
  for (let i = 0; i < 2; i++) await applyNotice(world.house, { ...notice, id: randomUUID() });
}

async function sweep() {
  await world.sql`update refunds set due_at = now() where due_at is not null`;
  await resumePayments(world.house, error => expect(error).toBeUndefined());
}

test('a refund that comes back is owed: on record, and tried again until it has gone through', async () => {
  const { held, refund, state } = await booked();
  const [part, rest] = [newRefundId(), newRefundId()];
  await refund(1000, part);
  await comesBack(part);
  expect(await state()).toMatchObject({
    status: 'confirmed',
    refunded_amount: 0,
    refunding_amount: 1000,
    back: 0,
  });
  await sweep();
  expect(await state()).toMatchObject({
    status: 'confirmed',
    refunded_amount: 1000,
    refunding_amount: 0,
    back: 1000,
  });

  await world.sql`insert into webhook_endpoints (id, url, secrets) values ('ep_0000000000000000', 'https://x.example', '[{}]')`;
  await refund(2000, rest);
  await comesBack(rest);
  const owed = { status: 'canceled', refunded_amount: 1000, refunding_amount: 2000, seats: 0, back: 1000 };
  expect(await state()).toEqual(owed);
  const [row] = await world.sql`select reference from bookings where reservation_id = ${held.id}`;
  expect(toBooking(await readBooking(world.sql, row?.reference)).payment.status).toBe('partially_refunded');
  // A day after it was asked for somebody has to see to it.
  await world.sql`update refunds set created_at = now() - interval '2 days' where id = ${rest}`;
  expect(await world.verify()).toEqual({ 'payments-do-not-stand-still': 1 });
  await world.sql`update mock_charges set token = 'tok_refund_fails'`;
  await sweep();
  expect(await state()).toEqual(owed);
  await world.sql`update mock_charges set token = 'tok_ok'`;
  await sweep();
  expect(await state()).toMatchObject({
    status: 'canceled',
    refunded_amount: 3000,
    refunding_amount: 0,
    back: 3000,
  });
  const told = await world.sql`select type from outbox order by id`;
  expect(told.map(({ type }) => type)).toEqual(['booking.refunded', 'booking.canceled', 'booking.refunded']);
  await world.sql`delete from webhook_endpoints`;
});

test('what was given back for want of seats and comes back is owed as well', async () => {
  const held = await world.hold();
  const order = { reservationId: held.id, method: 'mock', token: 'tok_answer_lost', metadata: undefined };
  const lost = bookReservation(world.house, { ...order, paymentId: 'pay_lost' });
  await expect(lost).rejects.toMatchObject({ problem: { code: 'unavailable' } });
  await world.loseSeats(held);
  await world.sql`update payments set due_at = now() where due_at is not null`;
  await sweep();
  const state = async () => {
    const rows = await world.sql`
      select id, refunds.status, refusals from refunds where payment_id = 'pay_lost'`;
    return rows.map(({ status, refusals }) => [status, refusals]);
  };
  const [undo] = await world.sql`select id from refunds where payment_id = 'pay_lost'`;
  await comesBack(undo?.id);
  expect(await state()).toEqual([['pending', 1]]);
  await sweep();
  expect(await state()).toEqual([['succeeded', 1]]);
});
