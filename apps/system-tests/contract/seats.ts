import { describe, expect, test } from 'vitest';
import { expectNoServerErrors, people } from '../agree.ts';
import { type Answer, byStatus } from '../answers.ts';
import { awaitUntil } from '../await-until.ts';
import type { ClaimClient } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';
import { events, seatMaps } from './events.ts';
import { named, openEvent, reserve, type Seat, seatMap, seatsOf, WAIT } from './seat-calls.ts';

const sweptWithinMs = 45_000;

const numbersIn = ({ body }: Answer) => (body.seats as Seat[]).map(seat => seat.number);

/** Every held reservation has all its seats and no seat is in two; the map says the same. */
async function expectWhole(
  client: ClaimClient,
  id: string,
  answers: Answer[],
  sizeOf: (answer: Answer) => number,
) {
  const held = answers.filter(({ status }) => status === 201);
  const numbers = held.flatMap(numbersIn);
  expect(new Set(numbers).size).toBe(numbers.length);
  for (const answer of held) expect(numbersIn(answer)).toHaveLength(sizeOf(answer));
  const taken = [...(await seatMap(client, id)).values()].filter(seat => seat.status === 'held');
  expect(taken.map(seat => seat.number).sort()).toEqual([...numbers].sort());
  expectNoServerErrors(client.history);
  return numbers;
}

/** Events, seats and reservations. */
export function seats(stack: ThisStack): void {
  describe('seats', () => {
    events(stack);
    seatMaps(stack);
    reserving(stack);
    refusals(stack);
    counts(stack);
  });
}

function reserving(stack: ThisStack): void {
  test('reserved together, seen everywhere, released, and reserved by the next', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(3));
    const held = await reserve(client, id, { user_id: 'ann', seats: named('hall-A1', 'hall-A2') });
    expect([held.status, held.body]).toMatchObject([
      201,
      {
        event_id: id,
        user_id: 'ann',
        status: 'active',
        amount: 5000,
        currency: 'EUR',
        seats: [{ row: 'A' }, {}],
      },
    ]);
    const path = `/api/reservations/${held.body.id}`;
    expect(held.headers.get('location')).toBe(path);
    expect((await client.get(path)).body).toEqual(held.body);
    expect((await client.get('/api/users/ann/reservations?limit=1')).body.data).toEqual([held.body]);
    const map = await seatMap(client, id);
    expect(['hall-A1', 'hall-A3'].map(number => map.get(number))).toMatchObject([
      { status: 'held', version: 2, price: 2500 },
      { status: 'available', version: 1 },
    ]);
    const taken = await reserve(client, id, { user_id: 'bob', seats: named('hall-A2', 'hall-A3') });
    expectProblem(taken, 409, { code: 'seat_taken' });
    expect(taken.body.seats).toEqual(['hall-A2']);
    expect((await client.request('DELETE', path)).body.status).toBe('canceled');
    expect((await client.request('DELETE', path)).body.status).toBe('canceled');
    expect((await reserve(client, id, { user_id: 'bob', seats: named('hall-A2', 'hall-A3') })).status).toBe(
      201,
    );
    expectProblem(await client.get(`/api/reservations/rsv_${'0'.repeat(32)}`), 404, {
      code: 'reservation_not_found',
    });
  });

  test('without waiting: a ticket, which is read, waited for and followed', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(2));
    const queued = await reserve(client, id, { user_id: 'ann', quantity: 2 }, {} as typeof WAIT);
    expect([queued.status, queued.body]).toMatchObject([
      202,
      { status: 'queued', event_id: id, user_id: 'ann' },
    ]);
    const ticket = queued.body.ticket!;
    expect(queued.headers.get('location')).toBe(`/api/tickets/${ticket}`);
    const decided = await client.ticket(ticket, 30);
    expect(decided.body).toMatchObject({
      status: 'granted',
      reservation: { status: 'active', amount: 5000 },
    });
    const events = await client.get(`/api/tickets/${ticket}/events`);
    expect(events.text).toContain('"status":"granted"');
    const again = await client.get(`/api/tickets/${ticket}`, {
      'if-none-match': decided.headers.get('etag')!,
    });
    expect(again.status).toBe(304);
    const late = await client.post(`/api/events/${id}/reservations`, { user_id: 'bob', quantity: 1 });
    expectProblem(late, 409, { code: 'sold_out' });
    const forged = ticket.slice(0, -1) + (ticket.endsWith('A') ? 'B' : 'A');
    expectProblem(await client.ticket(forged), 404, { code: 'ticket_not_found' });
  });

  test('the same key, 20 times at once and again later: one reservation', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(10));
    const headers = { ...WAIT, 'idempotency-key': crypto.randomUUID() };
    const ask = () => reserve(client, id, { user_id: 'ann', quantity: 1 }, headers);
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    answers.push(await ask());
    const ids = answers.filter(({ status }) => status === 201).map(({ body }) => body.id);
    expect(ids.length).toBeGreaterThanOrEqual(2);
    expect(new Set(ids).size).toBe(1);
    expect((await client.get(`/api/events/${id}`)).body.seats).toMatchObject({ available: 9, held: 1 });
  });

  test('the same wish of the same person again is a request of its own: a user id opens no ticket', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(4));
    const ask = () => reserve(client, id, { user_id: 'ann', quantity: 2 }, {} as typeof WAIT);
    const asked = await stack().whileWorkersStand(() => Promise.all([ask(), ask()]));
    const tickets = asked.map(({ status, body }) => status === 202 && (body.ticket as string));
    expect(new Set(tickets).size).toBe(2);
    const held = await Promise.all(tickets.map(ticket => client.ticket(ticket as string, 30)));
    expect(held.map(({ body }) => body.status)).toEqual(['granted', 'granted']);
    expect((await client.get(`/api/events/${id}`)).body.seats).toMatchObject({ available: 0, held: 4 });
  });

  test('best available: neighbors first, in the section that is asked for', async () => {
    const client = stack().client();
    const id = await openEvent(client, [...seatsOf(20, 'hall'), ...seatsOf(5, 'box')]);
    await reserve(client, id, { user_id: 'x', seats: named('hall-A3', 'hall-A7') });
    const best = async (body: Record<string, unknown>) =>
      numbersIn(await reserve(client, id, { user_id: 'y', ...body }));
    expect(await best({ quantity: 3 })).toEqual(['hall-A4', 'hall-A5', 'hall-A6']);
    expect(await best({ quantity: 4 })).toEqual(['hall-B1', 'hall-B2', 'hall-B3', 'hall-B4']);
    expect(await best({ quantity: 2, section: 'box' })).toEqual(['box-A1', 'box-A2']);
    // A1, A2, A8, A9, A10 and six in row B are left: no ten are neighbors.
    expect(await best({ quantity: 10 })).toEqual(
      [...['A1', 'A2', 'A8', 'A9', 'A10'], ...['B5', 'B6', 'B7', 'B8', 'B9']].map(seat => `hall-${seat}`),
    );
    expectProblem(await reserve(client, id, { user_id: 'y', quantity: 4, section: 'box' }), 409, {
      code: 'sold_out',
    });
  });

  test('a lapsed hold is free at once, and is swept within a minute', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(2));
    const isOfEvent = stack().sql`'evt_' || replace(event_id::text, '-', '') = ${id}`;
    const lapseSoon = () => stack().sql`
      with lapsing as (
        update reservations set expires_at = now() + interval '300 ms' where status = 'active' and ${isOfEvent}
      )
      update seats set held_until = now() + interval '300 ms' where status = 'held' and ${isOfEvent}`;
    const first = await reserve(client, id, { user_id: 'ann', quantity: 1 });
    await reserve(client, id, { user_id: 'cora', quantity: 1 });
    expect((await reserve(client, id, { user_id: 'bob', quantity: 2 })).status).toBe(409);
    await lapseSoon();
    const second = await awaitUntil('the hold to lapse', async () => {
      const answer = await reserve(client, id, { user_id: 'bob', seats: named('hall-A1') });
      return answer.status === 201 && answer;
    });
    expect(numbersIn(second as Answer)).toEqual(numbersIn(first));
    expect((await client.get(`/api/reservations/${first.body.id}`)).body.status).toBe('expired');
    await lapseSoon();
    await awaitUntil(
      'the sweep',
      async () => (await stack().sql`select from seats where status = 'held' and ${isOfEvent}`).length === 0,
      sweptWithinMs,
    );
  }, 90_000);
}

function refusals(stack: ThisStack): void {
  test('a seat that has changed since it was seen is refused', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(2));
    const asked = [{ number: 'hall-A1', version: 1 }, { number: 'hall-A2' }];
    const block = (status: string) =>
      client.request('PATCH', `/api/events/${id}/seats`, { json: { seats: ['hall-A1'], status } });
    expect((await block('blocked')).status).toBe(200);
    expectProblem(await reserve(client, id, { user_id: 'ann', seats: asked }), 409, { code: 'seat_taken' });
    expect((await block('available')).status).toBe(200);
    const stale = await reserve(client, id, { user_id: 'ann', seats: asked });
    expectProblem(stale, 409, { code: 'stale_seat' });
    expect(stale.body.seats).toEqual(['hall-A1']);
    const seen = (await seatMap(client, id)).get('hall-A1')?.version;
    const now = [{ number: 'hall-A1', version: seen }, { number: 'hall-A2' }];
    expect((await reserve(client, id, { user_id: 'ann', seats: now })).status).toBe(201);
    expectProblem(await block('blocked'), 409, { code: 'seat_taken' });
  });

  test('seats that are known to be held are refused without a worker', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(2));
    await reserve(client, id, { user_id: 'ann', quantity: 2 });
    await stack().whileWorkersStand(async () => {
      const taken = await reserve(client, id, { user_id: 'bob', seats: named('hall-A1') });
      expectProblem(taken, 409, { code: 'seat_taken' });
      expectProblem(await reserve(client, id, { user_id: 'bob', quantity: 1 }), 409, { code: 'sold_out' });
    });
  });

  test('not on sale: too early, too late, canceled; and what does not exist', async () => {
    const client = stack().client();
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const early = await openEvent(client, seatsOf(1), { on_sale_at: later });
    const refused = await reserve(client, early, { user_id: 'ann', quantity: 1 });
    expectProblem(refused, 409, { code: 'not_on_sale' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3000);
    const change = (fields: Record<string, unknown>) =>
      client.request('PATCH', `/api/events/${early}`, { json: fields });
    await change({ on_sale_at: null });
    expect((await reserve(client, early, { user_id: 'ann', quantity: 1 })).status).toBe(201);
    await change({ status: 'canceled' });
    expectProblem(await reserve(client, early, { user_id: 'bob', quantity: 1 }), 409, {
      code: 'not_on_sale',
    });

    const id = await openEvent(client, seatsOf(1));
    const unknown = await reserve(client, id, { user_id: 'ann', seats: named('hall-A1', 'Z9') });
    expectProblem(unknown, 404, { code: 'seat_not_found' });
    expect(unknown.body.seats).toEqual(['Z9']);
    const nowhere = `evt_${'0'.repeat(32)}`;
    expectProblem(await reserve(client, nowhere, { user_id: 'ann', quantity: 1 }), 404, {
      code: 'event_not_found',
    });
    for (const [body, path] of [
      [{ user_id: 'ann' }, 'seats'],
      [{ user_id: 'ann', seats: [] }, 'seats'],
      [{ user_id: 'ann', seats: named('hall-A1', 'hall-A1') }, 'seats.1.number'],
      [{ user_id: 'ann', seats: named('hall-A1'), quantity: 1 }, 'quantity'],
      [{ user_id: 'ann', quantity: 51 }, 'quantity'],
      [{ quantity: 1 }, 'user_id'],
    ] as const) {
      const answer = await reserve(client, id, body);
      expectProblem(answer, 400, { code: 'invalid_request' });
      expect(answer.body.errors?.map(error => error.path)).toEqual([path]);
    }
  });
}

function counts(stack: ThisStack): void {
  test.each([50, 200])('one seat and %i people: one has it', async count => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(1));
    const answers = await Promise.all(
      people(count).map(user => reserve(client, id, { user_id: user, seats: named('hall-A1') })),
    );
    expect(byStatus(answers)).toEqual({ 201: 1, 409: count - 1 });
    for (const answer of answers)
      if (answer.status === 409) expectProblem(answer, 409, { code: 'seat_taken' });
    await expectWhole(client, id, answers, () => 1);
  });

  test('1,000 people with crossing sets on 500 seats: nobody is split, no seat is held twice', async () => {
    const client = stack().client();
    const seats = seatsOf(500);
    const id = await openEvent(client, seats);
    const numberAt = (i: number) => seats[i % seats.length]?.number as string;
    // Sets of two to four that cross their neighbors' and sets from across the hall, named forwards and backwards.
    const wishes = people(1000).map((user, i) => {
      const set = [i, i + 1, 7 * i + 250, 11 * i + 3].slice(0, 2 + (i % 3)).map(numberAt);
      const numbers = [...new Set(set)];
      return { user_id: user, seats: named(...(i % 2 ? numbers : numbers.reverse())) };
    });
    const answers = await Promise.all(wishes.map(wish => reserve(client, id, wish)));
    const sizeOf = ({ sent }: Answer) => (sent as { seats: unknown[] }).seats.length;
    const held = await expectWhole(client, id, answers, sizeOf);
    expect(Object.keys(byStatus(answers)).sort()).toEqual(['201', '409']);
    // Whoever was refused was refused for a seat that is somebody's.
    for (const { status, body } of answers)
      if (status === 409) expect((body.seats as string[]).every(number => held.includes(number))).toBe(true);
    expect(held.length).toBeGreaterThan(250);
  }, 60_000);

  test('best available for 1,000 people: a full house, and no seat twice', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(500));
    const sizes = people(1000).map((_, i) => 1 + (i % 4));
    const answers = await Promise.all(
      people(1000).map((user, i) => reserve(client, id, { user_id: user, quantity: sizes[i] })),
    );
    const held = await expectWhole(
      client,
      id,
      answers,
      ({ sent }) => (sent as { quantity: number }).quantity,
    );
    // Somebody who wants one is refused only when nothing is left.
    expect(held).toHaveLength(500);
    expect((await client.get(`/api/events/${id}`)).body).toMatchObject({
      ...{ status: 'sold_out', seats: { total: 500, available: 0, held: 500 } },
    });
  }, 60_000);
}
