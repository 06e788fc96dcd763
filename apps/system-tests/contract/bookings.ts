import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { expectNoServerErrors, freshName } from '../agree.ts';
import { type Answer, byStatus } from '../answers.ts';
import { awaitUntil } from '../await-until.ts';
import { holdSeats } from '../bookings/hold-seats.ts';
import type { ClaimClient } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { keyed, untilAnswered } from '../idempotency-key.ts';
import { expectProblem } from '../problem.ts';

const bookingPath = (reservation: string) => `/api/reservations/${reservation}/booking`;
const bookings = (reference: unknown) => `/api/bookings/${reference}`;
const decidedWithinMs = 30_000;

/** Books by the mock, whose token says what comes of it. */
function book(client: ClaimClient, reservation: string, token = 'tok_ok', key?: string): Promise<Answer> {
  return client.post(bookingPath(reservation), { payment: { method: 'mock', token } }, keyed(key));
}

/** Booking reservations and giving money back. */
export function bookingCalls(stack: ThisStack): void {
  const hold = async () => (await holdSeats(stack().sql, 1))[0] as string;
  const charges = async (reservation: string) => {
    const id = reservation.replace(/^rsv_/, '');
    const [row] = await stack().sql`
      select count(*)::int as charges from mock_charges join payments on charge_id = mock_charges.id
      where mock_charges.status = 'succeeded' and replace(reservation_id::text, '-', '') = ${id}`;
    return row!.charges;
  };

  describe('bookings', () => {
    test('a booking is answered, read by its reference, and listed', async () => {
      const client = stack().client();
      const reservation = await hold();
      const answer = await book(client, reservation);
      expect(answer.status).toBe(201);
      expect(answer.body).toMatchObject({
        ...{ reservation_id: reservation, amount: 3000, currency: 'EUR', status: 'confirmed' },
        event_id: expect.stringMatching(/^evt_[0-9a-f]{32}$/),
        payment: { method: 'mock', status: 'succeeded', refunded_amount: 0 },
        seats: [{ number: '1-1', price: 1500 }, { number: '1-2' }],
        reference: expect.stringMatching(/^(?:[2-9A-Z]{4}-){3}[2-9A-Z]{4}$/),
      });
      const { reference, user_id } = answer.body;
      expect((await client.get(bookings(reference))).body).toEqual(answer.body);
      expect((await client.get(bookings(String(reference).toLowerCase().replace('-', '')))).status).toBe(200);
      const listed = (await client.get(`/api/users/${encodeURIComponent(user_id as string)}/bookings`)).body;
      expect(listed.data).toContainEqual(answer.body);
      expectProblem(await client.get(bookings('K7QM-49XT-RGAC-D2FH')), 404, { code: 'booking_not_found' });
    });

    test('from an event on sale to booked seats, and back', async () => {
      const client = stack().client();
      const event = (
        await client.post('/api/events', { name: freshName('gig'), starts_at: '2099-12-24T20:00:00Z' })
      ).body;
      const path = `/api/events/${event.id}`;
      const seat = { section: 'Stalls', row: 'A', price: 4500, currency: 'EUR' };
      await client.post(`${path}/seats`, { seats: ['1', '2', '3'].map(number => ({ number, ...seat })) });
      const held = await client.post(
        `${path}/reservations`,
        { user_id: 'ann', seats: [{ number: '2' }, { number: '3' }] },
        { prefer: 'wait=20' },
      );
      expect(held.status).toBe(201);
      const booked = await book(client, held.body.id as string);
      expect(booked.status).toBe(201);
      const { seats, amount, event_id } = booked.body;
      expect({ seats, amount, event_id }).toEqual({
        seats: held.body.seats,
        amount: 9000,
        event_id: event.id,
      });
      const map = async () =>
        Object.fromEntries(
          (await client.get(`${path}/seats`)).body.data!.map(one => [one.number, one.status]),
        );
      expect(await map()).toEqual({ 1: 'available', 2: 'booked', 3: 'booked' });
      expect((await client.get(`/api/reservations/${held.body.id}`)).body.status).toBe('booked');
      await client.post(`${bookings(booked.body.reference)}/refund`, {});
      expect(await map()).toEqual({ 1: 'available', 2: 'available', 3: 'available' });
    });

    test('a key is needed', async () => {
      const client = stack().client();
      const answer = await client.post(bookingPath(await hold()), { payment: { method: 'mock' } });
      expectProblem(answer, 400, { code: 'invalid_request', fields: ['Idempotency-Key'] });
    });

    test('20 at once with one key: one booking, one charge', async () => {
      const client = stack().client();
      const reservation = await hold();
      const key = randomUUID();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => untilAnswered(() => book(client, reservation, 'tok_ok', key))),
      );
      expect(byStatus(answers)).toEqual({ 201: 20 });
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      expect(await charges(reservation)).toBe(1);
      const other = await book(client, reservation, 'tok_declined', key);
      expectProblem(other, 422, { code: 'idempotency_key_reused' });
    });

    test('20 at once with different keys: the same booking, one charge', async () => {
      const client = stack().client();
      const reservation = await hold();
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => {
          const key = randomUUID();
          return untilAnswered(() => book(client, reservation, 'tok_ok', key));
        }),
      );
      expect(byStatus(answers)).toEqual({ 200: 19, 201: 1 });
      expect(new Set(answers.map(({ body }) => body.reference)).size).toBe(1);
      expect(await charges(reservation)).toBe(1);
      expectNoServerErrors(client.history);
    });

    test('a refused payment books nothing and leaves the hold', async () => {
      const client = stack().client();
      const reservation = await hold();
      const key = randomUUID();
      const refused = await book(client, reservation, 'tok_insufficient_funds', key);
      expectProblem(refused, 402, { code: 'payment_failed' });
      expect(refused.body.reason).toBe('insufficient_funds');
      const again = await book(client, reservation, 'tok_insufficient_funds', key);
      expect([again.text, again.headers.get('idempotent-replayed')]).toEqual([refused.text, 'true']);
      expect((await book(client, reservation)).status).toBe(201);
    });

    test('what cannot be paid for says why', async () => {
      const client = stack().client();
      const reservation = await hold();
      for (const method of ['stripe', 'barter']) {
        const answer = await client.post(bookingPath(reservation), { payment: { method } }, keyed());
        expectProblem(answer, 501, { code: 'payment_method_unavailable' });
      }
      const unknown = await book(client, `rsv_${'0'.repeat(32)}`);
      expectProblem(unknown, 404, { code: 'reservation_not_found' });
      expectProblem(await book(client, freshName('x')), 404, { code: 'reservation_not_found' });
      await stack().sql`
        update reservations set expires_at = now() where 'rsv_' || replace(id::text, '-', '') = ${reservation}`;
      expectProblem(await book(client, reservation), 409, { code: 'reservation_expired' });
      const empty = await client.post(bookingPath(reservation), {}, keyed());
      expectProblem(empty, 400, { code: 'invalid_request', fields: ['payment'] });
    });

    test.each([
      ['tok_pending_succeeds', 'confirmed', 'succeeded'],
      ['tok_pending_fails', 'failed', 'failed'],
    ])('%s: a pending booking that the webhook of the provider decides', async (token, status, payment) => {
      const client = stack().client();
      const answer = await book(client, await hold(), token);
      expect(answer.status).toBe(201);
      expect(answer.body).toMatchObject({ status: 'pending', payment: { status: 'pending' } });
      const read = () => client.get(bookings(answer.body.reference));
      await awaitUntil('the webhook', async () => (await read()).body.status !== 'pending', decidedWithinMs);
      expect((await read()).body).toMatchObject({ status, payment: { status: payment } });
      const [heard] = await stack().sql`
        select count(*)::int as count from payment_notices where payment_id = ${(answer.body.payment as { id: string }).id}
          and applied_at is not null`;
      expect(heard!.count).toBeGreaterThan(0);
    });

    test('a webhook that nobody signed is refused', async () => {
      const client = stack().client();
      const webhook = (provider: string) =>
        client.post(`/api/payments/${provider}/webhook`, {
          id: 'evt_1',
          type: 'charge.succeeded',
          charge_id: 'x',
        });
      expectProblem(await webhook('mock'), 401, { code: 'unauthorized' });
      expectProblem(await webhook('stripe'), 501, { code: 'payment_method_unavailable' });
    });

    test('a reservation that is let go takes its pending payment with it', async () => {
      const client = stack().client();
      const reservation = await hold();
      const { reference } = (await book(client, reservation, 'tok_pending')).body;
      const released = await client.request('DELETE', `/api/reservations/${reservation}`);
      expect([released.status, released.body.status]).toEqual([200, 'canceled']);
      expect((await client.get(bookings(reference))).body.status).toBe('failed');
    });

    test('money is given back in parts and as a whole, which frees the seats', async () => {
      const client = stack().client();
      const { reference } = (await book(client, await hold())).body;
      const refund = (body?: object, key?: string) =>
        client.post(`${bookings(reference)}/refund`, body, key ? keyed(key) : {});
      const key = randomUUID();
      const parts = [await refund({ amount: 1000 }, key), await refund({ amount: 1000 }, key)];
      for (const part of parts)
        expect(part.body).toMatchObject({
          status: 'confirmed',
          payment: { status: 'partially_refunded', refunded_amount: 1000 },
        });
      expectProblem(await refund({ amount: 2001 }), 409, { code: 'refund_exceeds_payment' });
      expectProblem(await refund({ amount: 0 }), 400, { code: 'invalid_request', fields: ['amount'] });
      for (const all of [{}, undefined])
        expect((await refund(all)).body).toMatchObject({
          status: 'canceled',
          payment: { status: 'refunded', refunded_amount: 3000 },
        });
      const [seats] = await stack().sql`
        select count(*)::int as count from seats join bookings on bookings.reservation_id = seats.reservation_id
        where reference = ${reference as string}`;
      expect(seats!.count).toBe(0);
    });
  });
}
