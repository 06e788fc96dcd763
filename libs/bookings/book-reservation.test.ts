import { randomUUID } from 'node:crypto';
import type { Charge } from '@claimline/payments';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Booked, bookReservation } from './book-reservation.ts';
import { sagaLimits } from './house.ts';
import { applyNotice } from './notice.ts';
import { refundBooking } from './refund.ts';
import { newRefundId } from './refund-row.ts';
import { resumePayments } from './sweep.ts';
import { type Bookings, type Held, openBookings } from './testing.ts';

let world: Bookings;
beforeAll(async () => {
  world = await openBookings();
});
afterEach(async () => expect(await world.faults()).toEqual([]));
afterAll(() => world.close());

const book = (held: Held, token: string | null = 'tok_ok', paymentId = `pay_${randomUUID()}`) =>
  bookReservation(world.house, {
    ...{ paymentId, reservationId: held.id, method: 'mock', token, metadata: { table: 7 } },
  });

const codeOf = (error: { problem?: { code: string } }) => error.problem?.code ?? String(error);
const outcomeOf = (booked: Promise<Booked>) => booked.then(({ booking }) => booking.reference, codeOf);
const passTime = () =>
  world.sql`update payments set due_at = now() where due_at is not null`.then(
    () => world.sql`update refunds set due_at = now() where due_at is not null`,
  );
async function sweep() {
  await passTime();
  const errors: unknown[] = [];
  await resumePayments(world.house, error => errors.push(error));
  expect(errors).toEqual([]);
}
/** What became of a reservation: its payments, bookings, refunds, and its own state. */
async function stateOf(held: Held) {
  const [row] = await world.sql`
    select
      (select status from reservations where id = ${held.id}) as reservation,
      array(select status from payments where reservation_id = ${held.id} order by created_at) as payments,
      array(select status from bookings where reservation_id = ${held.id} order by sequence) as bookings,
      array(select why || ' ' || refunds.status from refunds join payments on payments.id = payment_id
        where reservation_id = ${held.id} order by refunds.created_at) as refunds,
      array(select mock_charges.status || ' ' || refunded_amount from mock_charges join payments on charge_id = mock_charges.id
        where reservation_id = ${held.id} order by mock_charges.created_at) as charges`;
  return { ...row };
}
const notify = (chargeId: string, id = randomUUID()) =>
  applyNotice(world.house, { provider: 'mock', id, type: 'charge', chargeId, refundId: null });
const chargeOf = (paymentId: string) => `mock_${paymentId}`;

test('a charge that succeeds is a booking', async () => {
  const held = await world.hold({ seats: 3 });
  const { booking, isNew } = await book(held);
  expect(isNew).toBe(true);
  expect(booking).toMatchObject({
    reservation_id: held.id,
    user_id: 'ada',
    status: 'confirmed',
    amount: 4500,
    currency: 'EUR',
    provider: 'mock',
    metadata: { table: 7 },
    confirmed_at: expect.any(Date),
  });
  expect(booking.reference).toMatch(/^(?:[234679ACDEFGHJKMNPQRTWXYZ]{4}-){3}[234679ACDEFGHJKMNPQRTWXYZ]{4}$/);
  expect(booking.seats.length).toBe(3);
  expect(await stateOf(held)).toEqual({
    ...{ reservation: 'booked', payments: ['booked'], bookings: ['confirmed'], refunds: [] },
    charges: ['succeeded 0'],
  });
});

test('a charge that fails leaves the hold, and another may succeed', async () => {
  const held = await world.hold();
  await expect(book(held, 'tok_declined')).rejects.toMatchObject({
    problem: { code: 'payment_failed', extra: { reason: 'card_declined' } },
  });
  expect(await stateOf(held)).toMatchObject({ reservation: 'active', payments: ['failed'], bookings: [] });
  expect((await book(held)).booking.status).toBe('confirmed');
  expect(await stateOf(held)).toMatchObject({
    payments: ['failed', 'booked'],
    charges: ['failed 0', 'succeeded 0'],
  });
});

test('a reservation has so many tries and no more', async () => {
  const held = await world.hold();
  for (let i = 0; i < 10; i++) expect(await outcomeOf(book(held, 'tok_declined'))).toBe('payment_failed');
  await expect(book(held)).rejects.toMatchObject({ problem: { extra: { reason: 'too_many_tries' } } });
  expect(await stateOf(held)).toMatchObject({ reservation: 'active', payments: Array(10).fill('failed') });
});

test('while it is open what came of the charge the seats stay held', async () => {
  const held = await world.hold();
  await world.sql`update reservations set expires_at = now() + interval '1 s' where id = ${held.id}`;
  await outcomeOf(book(held, 'tok_answer_lost'));
  const heldFor = async () => {
    const [row] = await world.sql`
      select extract(epoch from expires_at - now())::int as seconds from reservations where id = ${held.id}`;
    return row?.seconds;
  };
  expect(await heldFor()).toBeGreaterThan(60);
  // The provider has lost the charge, which is as if it were away.
  await world.sql`update mock_charges set id = 'away' where id like 'mock_%' and token = 'tok_answer_lost' and status = 'succeeded'
    and id in (select charge_id from payments where reservation_id = ${held.id})`;
  await world.sql`update reservations set expires_at = now() + interval '1 s' where id = ${held.id}`;
  await sweep();
  expect(await heldFor()).toBeGreaterThan(60);
  expect(await stateOf(held)).toMatchObject({ payments: ['charging'] });
  await world.sql`update mock_charges set id = (select charge_id from payments where reservation_id = ${held.id}) where id = 'away'`;
  await sweep();
  expect(await stateOf(held)).toMatchObject({ reservation: 'booked', payments: ['booked'] });
});

test('20 payments at once for one reservation: one charge, one booking', async () => {
  const held = await world.hold();
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcomeOf(book(held))));
  const [reference] = outcomes.filter(one => one !== 'payment_in_progress');
  for (const outcome of outcomes) expect([reference, 'payment_in_progress']).toContain(outcome);
  expect(await stateOf(held)).toMatchObject({ bookings: ['confirmed'], charges: ['succeeded 0'] });
  const again = await book(held, 'tok_declined');
  expect([again.booking.reference, again.isNew]).toEqual([reference, false]);
});

test('the same payment 20 times at once and again is one', async () => {
  const held = await world.hold();
  const id = `pay_${randomUUID()}`;
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => outcomeOf(book(held, null, id))));
  const [reference] = outcomes.filter(one => one !== 'payment_in_progress');
  expect(new Set([reference, ...outcomes, 'payment_in_progress']).size).toBe(2);
  expect(await stateOf(held)).toMatchObject({ payments: ['booked'], charges: ['succeeded 0'] });
  const again = await book(held, null, id);
  expect([again.booking.reference, again.isNew]).toEqual([reference, true]);
});

test('nothing is charged where nothing is held', async () => {
  const [lapsed, released] = [await world.hold(), await world.hold()];
  await world.sql`update reservations set expires_at = now() where id = ${lapsed.id}`;
  await world.sql`select release_hold(${released.id}::uuid)`;
  expect(await outcomeOf(book(lapsed))).toBe('reservation_expired');
  expect(await outcomeOf(book(released))).toBe('reservation_expired');
  expect(await outcomeOf(book({ ...lapsed, id: randomUUID() }))).toBe('reservation_not_found');
  const canceled = await world.hold();
  await world.sql`update events set is_canceled = true`;
  expect(await outcomeOf(book(canceled))).toBe('reservation_expired');
  await world.sql`update events set is_canceled = false`;
  for (const held of [lapsed, released, canceled])
    expect(await stateOf(held)).toMatchObject({ payments: [], charges: [] });
});

test('seats that are free need no provider', async () => {
  const held = await world.hold({ price: 0 });
  expect((await book(held)).booking).toMatchObject({ status: 'confirmed', amount: 0 });
  expect(await stateOf(held)).toMatchObject({ payments: ['booked'], charges: [] });
});

test('an answer that was lost is looked up: booked where the seats are held still', async () => {
  const held = await world.hold();
  expect(await outcomeOf(book(held, 'tok_answer_lost'))).toBe('unavailable');
  expect(await stateOf(held)).toMatchObject({ payments: ['charging'], bookings: [] });
  await sweep();
  expect(await stateOf(held)).toMatchObject({ payments: ['booked'], charges: ['succeeded 0'], refunds: [] });
});

test('an answer that was lost is looked up by the same request, sent again', async () => {
  const held = await world.hold();
  const id = `pay_${randomUUID()}`;
  expect(await outcomeOf(book(held, 'tok_answer_lost', id))).toBe('unavailable');
  expect(await outcomeOf(book(held, 'tok_answer_lost', id))).toBe('payment_in_progress');
  await passTime();
  // The charge is not open any more, so that this comes to what it came to.
  expect(await outcomeOf(book(held, 'tok_answer_lost', id))).toBe('unavailable');
  await passTime();
  expect((await book(held, null, id)).booking.status).toBe('confirmed');
  expect(await stateOf(held)).toMatchObject({ charges: ['succeeded 0'] });
});

test('a sweep has as many leases as it has hands, and comes round to all', async () => {
  const held = await Promise.all(Array.from({ length: 12 }, () => world.hold()));
  for (const one of held) expect(await outcomeOf(book(one, 'tok_answer_lost'))).toBe('unavailable');
  const ids = held.map(({ id }) => id);
  const { providers } = world.house;
  const mock = providers.take('mock');
  const leases: number[] = [];
  async function read(chargeId: string) {
    const [row] = await world.sql`
      select count(*)::int as leases from payments where due_at > now() and reservation_id = any (${ids})`;
    leases.push(row?.leases);
    return mock.read(chargeId);
  }
  world.house.providers = { take: () => ({ ...mock, read }) };
  await sweep();
  world.house.providers = providers;
  expect(leases.length).toBeGreaterThanOrEqual(12);
  expect(Math.max(...leases)).toBeLessThanOrEqual(sagaLimits.atOnce);
  for (const one of held) expect(await stateOf(one)).toMatchObject({ payments: ['booked'] });
});

test('a step after the charge fails: given back, and the seats are as they were', async () => {
  const held = await world.hold();
  await outcomeOf(book(held, 'tok_answer_lost'));
  await world.loseSeats(held);
  const before = await world.seats();
  await sweep();
  expect(await stateOf(held)).toMatchObject({
    ...{ reservation: 'expired', payments: ['undone'], bookings: [] },
    ...{ refunds: ['undo succeeded'], charges: [`succeeded ${held.amount}`] },
  });
  expect(await world.seats()).toEqual(before);
});

test('a charge that was given up and succeeds after all is given back', async () => {
  const held = await world.hold();
  const id = `pay_${randomUUID()}`;
  await outcomeOf(book(held, 'tok_declined', id));
  await world.sql`update mock_charges set status = 'succeeded' where id = ${chargeOf(id)}`;
  await notify(chargeOf(id));
  expect(await stateOf(held)).toMatchObject({
    ...{ reservation: 'active', payments: ['undone'], refunds: ['undo succeeded'] },
    charges: [`succeeded ${held.amount}`],
  });
  expect((await book(held)).booking.status).toBe('confirmed');
});

test('what is owed is tried again for as long as the provider refuses', async () => {
  const held = await world.hold();
  const id = `pay_${randomUUID()}`;
  await outcomeOf(book(held, 'tok_declined', id));
  await world.sql`
    update mock_charges set status = 'succeeded', token = 'tok_refund_fails' where id = ${chargeOf(id)}`;
  await notify(chargeOf(id));
  expect(await stateOf(held)).toMatchObject({ payments: ['undone'], refunds: ['undo pending'] });
  await world.sql`update mock_charges set token = 'tok_ok' where id = ${chargeOf(id)}`;
  await sweep();
  expect(await stateOf(held)).toMatchObject({ refunds: ['undo succeeded'] });
});

test('a pending payment is a pending booking, and a webhook confirms it', async () => {
  const held = await world.hold();
  const id = `pay_${randomUUID()}`;
  const { booking } = await book(held, 'tok_pending_succeeds', id);
  expect(booking.status).toBe('pending');
  expect(await stateOf(held)).toMatchObject({
    reservation: 'active',
    payments: ['pending'],
    bookings: ['pending'],
  });
  expect((await book(held)).booking.reference).toBe(booking.reference);
  await notify(chargeOf(id)); // It says nothing new.
  expect(await stateOf(held)).toMatchObject({ payments: ['pending'] });
  await world.sql`update mock_charges set settles_at = now() where id = ${chargeOf(id)}`;
  const notice = randomUUID();
  const isNew = await Promise.all(Array.from({ length: 10 }, () => notify(chargeOf(id), notice)));
  expect(isNew).toContain(true);
  expect(await notify(chargeOf(id), notice)).toBe(false);
  expect(await stateOf(held)).toMatchObject({
    ...{ reservation: 'booked', payments: ['booked'], bookings: ['confirmed'], charges: ['succeeded 0'] },
  });
});

test('who asks again with the same key while the payer is to finish it gets the client secret again', async () => {
  const held = await world.hold();
  const id = `pay_${randomUUID()}`;
  const { providers } = world.house;
  const mock = providers.take('mock');
  const secret = async (charge: ReturnType<typeof mock.read>) => ({ ...(await charge), clientSecret: 'cs' });
  const payerPays = {
    ...mock,
    charge: (...given: Parameters<typeof mock.charge>) => secret(mock.charge(...given)),
    read: (chargeId: string) => secret(mock.read(chargeId)),
  };
  world.house.providers = { take: () => payerPays };
  const answers = [
    await book(held, 'tok_pending', id),
    await book(held, 'tok_pending', id),
    await book(held),
  ];
  world.house.providers = providers;
  expect(answers.map(({ clientSecret, isNew }) => [clientSecret, isNew])).toEqual([
    ['cs', true],
    ['cs', true],
    [null, false],
  ]);
});

test('the payer may try one card after the other until the payment’s time is up, with a token there is but one', async () => {
  const { providers } = world.house;
  const mock = providers.take('mock');
  // As a provider does on whose own page the payer types the card.
  let told: Partial<Charge> = { status: 'open', reason: null };
  const read = async (chargeId: string) => ({ ...(await mock.read(chargeId)), ...told });
  const charge = async (chargeId: string) => ({ ...(await mock.read(chargeId)), status: 'pending' as const });
  world.house.providers = { take: () => ({ ...mock, read, charge }) };
  const held = { payers: await world.hold(), tokens: await world.hold() };
  const ids = { payers: `pay_${randomUUID()}`, tokens: `pay_${randomUUID()}` };
  await book(held.payers, null, ids.payers);
  await book(held.tokens, 'tok_ok', ids.tokens);
  told = { status: 'open', reason: 'incorrect_cvc' };
  for (const id of Object.values(ids)) await notify(chargeOf(id));
  expect(await stateOf(held.payers)).toMatchObject({ reservation: 'active', bookings: ['pending'] });
  expect(await stateOf(held.tokens)).toMatchObject({ reservation: 'canceled', bookings: ['failed'] });
  told = {};
  await world.sql`update mock_charges set status = 'succeeded' where id = ${chargeOf(ids.payers)}`;
  await notify(chargeOf(ids.payers));
  world.house.providers = providers;
  expect(await stateOf(held.payers)).toMatchObject({ reservation: 'booked', bookings: ['confirmed'] });
});

test('a charge that the provider will not announce is a refused payment', async () => {
  const held = await world.hold();
  const { providers } = world.house;
  const prepare = async () => ({ refusal: 'amount_too_small' });
  world.house.providers = { take: name => ({ ...providers.take(name), prepare }) };
  await expect(book(held)).rejects.toMatchObject({
    problem: { code: 'payment_failed', extra: { reason: 'amount_too_small' } },
  });
  world.house.providers = providers;
  expect(await stateOf(held)).toMatchObject({ reservation: 'active', payments: ['failed'], charges: [] });
});

test('a pending payment that fails releases the seats', async () => {
  const held = await world.hold();
  const id = `pay_${randomUUID()}`;
  await book(held, 'tok_pending_fails', id);
  await world.sql`update mock_charges set settles_at = now() where id = ${chargeOf(id)}`;
  await notify(chargeOf(id));
  expect(await stateOf(held)).toMatchObject({
    ...{ reservation: 'canceled', payments: ['failed'], bookings: ['failed'], charges: ['failed 0'] },
  });
});

test.each([
  ['tok_pending_fails', 'failed', []],
  ['tok_pending_succeeds', 'undone', ['undo succeeded']],
])('a pending booking by %s whose event is deleted has failed', async (token, payment, refunds) => {
  const held = await world.hold();
  const id = `pay_${randomUUID()}`;
  await book(held, token, id);
  await world.sql`delete from seats where reservation_id = ${held.id}`;
  await world.sql`delete from reservations where id = ${held.id}`;
  await world.sql`update mock_charges set settles_at = now() where id = ${chargeOf(id)}`;
  await notify(chargeOf(id));
  expect(await stateOf(held)).toMatchObject({ payments: [payment], bookings: ['failed'], refunds });
});

test.each([
  ['tok_pending', 'failed', 'canceled'],
  ['tok_pending_succeeds', 'booked', 'booked'],
])(
  'a %s that nobody tells of is asked after, and in the end canceled',
  async (token, payment, reservation) => {
    const held = await world.hold();
    await book(held, token);
    await sweep();
    expect(await stateOf(held)).toMatchObject({ payments: ['pending'] });
    await world.sql`update mock_charges set settles_at = now() where settles_at is not null`;
    await world.sql`update payments set pending_until = now() where status = 'pending'`;
    await sweep();
    expect(await stateOf(held)).toMatchObject({ payments: [payment], reservation });
  },
);

test('merchants are told of what was booked and given back, and of nothing else', async () => {
  await world.sql`
    insert into webhook_endpoints (id, url, secrets) values ('ep_0000000000000000', 'https://shop.example', '[{}]')`;
  const held = await world.hold();
  await outcomeOf(book(held, 'tok_declined'));
  const { booking } = await book(held);
  const { reference } = booking;
  for (const amount of [1000, null])
    await refundBooking(world.house, { reference, refundId: newRefundId(), amount });
  const told = await world.sql`select type, subject, data from outbox order by id`;
  expect(
    told.map(row => [row.type, row.data.status, row.data.refunded_amount, row.data.refund?.amount]),
  ).toEqual([
    ['booking.confirmed', 'confirmed', 0, undefined],
    ['booking.refunded', 'confirmed', 1000, 1000],
    ['booking.refunded', 'canceled', 3000, 2000],
    ['booking.canceled', 'canceled', 3000, undefined],
  ]);
  for (const row of told) {
    expect(row.subject).toBe(held.eventId);
    expect(row.data).toMatchObject({
      reference,
      user_id: 'ada',
      amount: 3000,
      currency: 'EUR',
      seats: [{}, {}],
    });
    expect(row.data.reservation_id).toBe(`rsv_${held.id.replaceAll('-', '')}`);
  }
  await world.sql`delete from webhook_endpoints`;
});

test('a webhook about a charge of somebody else is of no consequence', async () => {
  expect(await notify('ch_unknown')).toBe(true);
});
