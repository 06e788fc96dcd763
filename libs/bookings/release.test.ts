import { randomUUID } from 'node:crypto';
import { type Charge, ProviderAwayError } from '@claimline/payments';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { bookReservation } from './book-reservation.ts';
import { releaseReservation } from './release.ts';
import { resumePayments } from './sweep.ts';
import { type Bookings, type Held, openBookings } from './testing.ts';

let world: Bookings;
beforeAll(async () => {
  world = await openBookings();
});
afterEach(async () => expect(await world.faults()).toEqual([]));
afterAll(() => world.close());

const codeOf = (error: { problem?: { code: string } }) => error.problem?.code ?? String(error);
const release = ({ id }: Held) => releaseReservation(world.house, id).then(({ status }) => status, codeOf);

/** A hold whose payment was begun with that token, what came of it, and what it is now. */
async function paying(token: string) {
  const held = await world.hold();
  const order = { reservationId: held.id, method: 'mock', token, metadata: undefined };
  await bookReservation(world.house, { ...order, paymentId: `pay_${randomUUID()}` }).catch(codeOf);
  const state = async () => {
    const [row] = await world.sql`
      select reservations.status as reservation, payments.status as payment, mock_charges.status as charge,
        (select status from bookings where payment_id = payments.id) as booking,
        (select count(*)::int from seats where reservation_id = ${held.id}) as seats
      from reservations join payments on reservation_id = reservations.id join mock_charges on mock_charges.id = charge_id
      where reservations.id = ${held.id}`;
    return { ...row };
  };
  return { held, state };
}

/** The mock, which answers some calls in another way. */
async function withMock<T>(
  other: (mock: ReturnType<Bookings['house']['providers']['take']>) => object,
  work: () => Promise<T>,
): Promise<T> {
  const { providers } = world.house;
  world.house.providers = { take: name => ({ ...providers.take(name), ...other(providers.take(name)) }) };
  try {
    return await work();
  } finally {
    world.house.providers = providers;
  }
}

const over = { reservation: 'canceled', payment: 'failed', charge: 'failed', booking: 'failed', seats: 0 };

test('to let go cancels a pending payment first, and ends its booking', async () => {
  const { held, state } = await paying('tok_pending');
  expect(await Promise.all([release(held), release(held)])).toEqual(['canceled', 'canceled']);
  expect(await state()).toEqual(over);
  expect(await release(held)).toBe('canceled');
});

test('where the payer was faster it is booked', async () => {
  const { held, state } = await paying('tok_pending_succeeds');
  await world.sql`update mock_charges set settles_at = now() where settles_at is not null`;
  expect(await release(held)).toBe('reservation_booked');
  expect(await state()).toMatchObject({ reservation: 'booked', booking: 'confirmed', seats: 2 });
});

test('what is being charged is not let go', async () => {
  const { held, state } = await paying('tok_answer_lost');
  expect(await release(held)).toBe('payment_in_progress');
  expect(await state()).toMatchObject({ reservation: 'active', payment: 'charging', seats: 2 });
  await world.sql`update payments set due_at = now() where due_at is not null`;
  await resumePayments(world.house, error => expect(error).toBeUndefined());
  expect(await release(held)).toBe('reservation_booked');
});

test('what the provider will not cancel any more is under way until it is decided', async () => {
  const { held, state } = await paying('tok_pending_succeeds');
  const told = await withMock(
    mock => ({ cancel: (id: string): Promise<Charge> => mock.read(id) }),
    () => release(held),
  );
  expect(told).toBe('payment_in_progress');
  expect(await state()).toMatchObject({ reservation: 'active', booking: 'pending', seats: 2 });
  await world.sql`update mock_charges set settles_at = now() where settles_at is not null`;
  expect(await release(held)).toBe('reservation_booked');
});

test('while the provider is away the seats stay held, and the payment is canceled later', async () => {
  const { held, state } = await paying('tok_pending');
  const away = () => Promise.reject(new ProviderAwayError('mock'));
  expect(
    await withMock(
      () => ({ read: away }),
      () => release(held),
    ),
  ).toBe('unavailable');
  expect(await state()).toMatchObject({ reservation: 'active', booking: 'pending', seats: 2 });
  await world.sql`update payments set due_at = now() where due_at is not null`;
  await resumePayments(world.house, error => expect(error).toBeUndefined());
  expect(await state()).toEqual(over);
});

test('payments that begin while the hold is let go: one or the other, never both', async () => {
  for (let round = 0; round < 10; round++) {
    const held = await world.hold();
    const order = { reservationId: held.id, method: 'mock', token: 'tok_ok', metadata: undefined };
    const [booked, released] = await Promise.all([
      bookReservation(world.house, { ...order, paymentId: `pay_${randomUUID()}` }).then(
        () => 'booked',
        codeOf,
      ),
      release(held),
    ]);
    expect([
      ...['booked payment_in_progress', 'booked reservation_booked', 'reservation_expired canceled'],
    ]).toContain(`${booked} ${released}`);
  }
});

test('the end of an event frees what is paid for as well', async () => {
  const { held, state } = await paying('tok_pending');
  await world.sql`update events set is_canceled = true`;
  await world.sql`select release_hold(${held.id})`;
  await world.sql`update events set is_canceled = false`;
  expect(await state()).toMatchObject({ reservation: 'canceled', booking: 'pending', seats: 0 });
});
