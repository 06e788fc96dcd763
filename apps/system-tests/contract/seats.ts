import { describe, expect, test } from 'vitest';
import { expectNoServerErrors, people } from '../agree.ts';
import { type Answer, type Body, byStatus } from '../answers.ts';
import { awaitUntil } from '../await-until.ts';
import type { ClaimClient } from '../claim-client.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';

const WAIT = { prefer: 'wait=30' };
const TOMORROW = new Date(Date.now() + 24 * 3_600_000).toISOString();
const YESTERDAY = new Date(Date.now() - 24 * 3_600_000).toISOString();
const sweptWithinMs = 45_000;

type Seat = { number: string; section?: string; row?: string; type?: string; price?: number };

/** Numbers such as A1, A2 ... in rows of ten. */
function seatsOf(count: number, section = 'hall'): Seat[] {
  return Array.from({ length: count }, (_, i) => {
    const row = String.fromCharCode(65 + Math.floor(i / 10));
    return { number: `${section}-${row}${(i % 10) + 1}`, section, row };
  });
}

async function openEvent(client: ClaimClient, seats: Seat[], more: Record<string, unknown> = {}) {
  const made = await client.post('/api/events', { name: 'a concert', starts_at: TOMORROW, ...more });
  expect([made.status, made.text]).toEqual([201, expect.anything()]);
  const id = made.body.id as string;
  if (seats.length > 0) {
    const priced = seats.map(seat => ({ price: 2500, currency: 'EUR', ...seat }));
    const added = await client.post(`/api/events/${id}/seats`, { seats: priced });
    expect([added.status, added.body]).toEqual([201, { created: seats.length }]);
  }
  return id;
}

const reserve = (client: ClaimClient, id: string, body: Record<string, unknown>, headers = WAIT) =>
  client.post(`/api/events/${id}/reservations`, body, headers);
const named = (...numbers: string[]) => numbers.map(number => ({ number }));
const numbersIn = ({ body }: Answer) => (body.seats as Seat[]).map(seat => seat.number);

async function seatMap(client: ClaimClient, id: string) {
  const { body } = await client.get(`/api/events/${id}/seats`);
  return new Map(body.data!.map(seat => [seat.number as string, seat]));
}

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

function events(stack: ThisStack): void {
  test('an event: made, read, found, changed, canceled, deleted', async () => {
    const client = stack().client();
    const name = `Ünïque night ${crypto.randomUUID()}`;
    const id = await openEvent(client, [], { name, venue: 'The 100% hall', metadata: { a: 1 } });
    expect((await client.get(`/api/events/${id}`)).body).toMatchObject({
      ...{
        id,
        name,
        venue: 'The 100% hall',
        status: 'upcoming',
        reservation_ttl_seconds: 600,
        currency: null,
      },
      ...{ on_sale_at: null, metadata: { a: 1 }, seats: { total: 0, available: 0 } },
    });
    await client.post(`/api/events/${id}/seats`, { seats: [{ number: 1, price: 0, currency: 'EUR' }] });
    const find = async (query: string) =>
      (await client.get(`/api/events?q=${encodeURIComponent(name.slice(5))}${query}`)).body.data!;
    const statusNow = async () => (await find(''))[0]?.status;
    expect(await find('')).toMatchObject([{ id, status: 'on_sale' }]);
    expect(await find(`&status=on_sale&from=${YESTERDAY}`)).toHaveLength(1);
    expect(await find(`&status=past`)).toEqual([]);
    expect(await find(`&to=${YESTERDAY}`)).toEqual([]);
    expect((await client.get('/api/events?q=100%25%20H')).body.data).not.toEqual([]);
    expect((await reserve(client, id, { user_id: 'ann', quantity: 1 })).status).toBe(201);
    expect(await statusNow()).toBe('sold_out');

    const change = (fields: Record<string, unknown>) =>
      client.request('PATCH', `/api/events/${id}`, { json: fields });
    expectProblem(await change({ on_sale_at: '2999-01-01T00:00:00Z' }), 400, { code: 'invalid_request' });
    const later = new Date(Date.now() + 3_600_000).toISOString();
    expect((await change({ on_sale_at: later, venue: null })).body).toMatchObject({
      ...{ status: 'upcoming', on_sale_at: later, venue: null },
    });
    expect((await change({ on_sale_at: null, starts_at: YESTERDAY })).body.status).toBe('past');
    expect((await change({ starts_at: TOMORROW })).body.status).toBe('sold_out');
    const remove = () => client.request('DELETE', `/api/events/${id}`);
    expectProblem(await remove(), 409, { code: 'event_has_reservations' });
    expect((await change({ status: 'canceled' })).body).toMatchObject({
      ...{ status: 'canceled', seats: { total: 1, available: 1, held: 0 } },
    });
    expect((await remove()).status).toBe(204);
    expectProblem(await client.get(`/api/events/${id}`), 404, { code: 'event_not_found' });
    expectProblem(await remove(), 404, { code: 'event_not_found' });
  });

  test('events come in pages, in order of their start', async () => {
    const client = stack().client();
    const name = `festival ${crypto.randomUUID()}`;
    const starts = [3, 1, 2, 2].map(days => new Date(Date.now() + days * 86_400_000).toISOString());
    for (const starts_at of starts) await openEvent(client, [], { name, starts_at });
    const seen: Body[] = [];
    for (let cursor = ''; ; ) {
      const { body } = await client.get(`/api/events?q=${encodeURIComponent(name)}&limit=3${cursor}`);
      seen.push(...body.data!);
      if (!body.next_cursor) break;
      cursor = `&cursor=${body.next_cursor}`;
    }
    expect(seen.map(event => event.starts_at)).toEqual([...starts].sort());
    expect(new Set(seen.map(event => event.id)).size).toBe(4);
    expectProblem(await client.get('/api/events?cursor=nonsense'), 400, { code: 'invalid_request' });
  });

  test('seats that do not fit are refused as a whole, and the field is named', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(1));
    const add = (...given: Record<string, unknown>[]) =>
      client.post(`/api/events/${id}/seats`, { seats: given });
    const one = { number: 'x', price: 1, currency: 'EUR' };
    const paths = async (answer: Promise<Answer>) => (await answer).body.errors?.map(({ path }) => path);
    expect(await paths(add(one, { ...one, price: -1 }))).toEqual(['seats.1.price']);
    expect(await paths(add(one, one))).toEqual(['seats.1.number']);
    expect(await paths(add({ ...one, currency: 'USD' }))).toEqual(['seats.0.currency']);
    expect(await paths(add({ ...one, colour: 'red' }))).toEqual(['seats.0.colour']);
    const existing = await add(one, { ...one, number: 'hall-A1' });
    expectProblem(existing, 409, { code: 'seat_exists' });
    expect(existing.body.seats).toEqual(['hall-A1']);
    const block = await client.request('PATCH', `/api/events/${id}/seats`, {
      json: { seats: ['Z9', 'hall-A1', 'Z8'], status: 'blocked' },
    });
    expectProblem(block, 404, { code: 'seat_not_found' });
    expect(block.body.seats).toEqual(['Z9', 'Z8']);
    expect([...(await seatMap(client, id)).keys()]).toEqual(['hall-A1']);
    expectProblem(await client.post('/api/events/evt_no/seats', { seats: [one] }), 404, {
      code: 'event_not_found',
    });
  });
}

function seatMaps(stack: ThisStack): void {
  test('a section that no seat can have is a bad request, one that none has is empty', async () => {
    const client = stack().client();
    const id = await openEvent(client, seatsOf(2));
    const inSection = (section: string) => client.get(`/api/events/${id}/seats?section=${section}`);
    expect((await inSection('hall')).body.data).toHaveLength(2);
    expect((await inSection('balcony')).body.data).toEqual([]);
    for (const wrong of ['%00', 'x'.repeat(65)]) {
      const refused = await inSection(wrong);
      expectProblem(refused, 400, { code: 'invalid_request' });
      expect(refused.body.errors?.map(({ path }) => path)).toEqual(['section']);
    }
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
    const id = await openEvent(client, seatsOf(2), { reservation_ttl_seconds: 1 });
    const first = await reserve(client, id, { user_id: 'ann', quantity: 1 });
    await reserve(client, id, { user_id: 'cora', quantity: 1 });
    expect((await reserve(client, id, { user_id: 'bob', quantity: 2 })).status).toBe(409);
    const second = await awaitUntil('the hold to lapse', async () => {
      const answer = await reserve(client, id, { user_id: 'bob', seats: named('hall-A1') });
      return answer.status === 201 && answer;
    });
    expect(numbersIn(second as Answer)).toEqual(numbersIn(first));
    expect((await client.get(`/api/reservations/${first.body.id}`)).body.status).toBe('expired');
    await awaitUntil(
      'the sweep',
      async () => {
        const rows = await stack().sql`
          select from seats where status = 'held' and event_id::text = ${id.replace(/^evt_(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`;
        return rows.length === 0;
      },
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
