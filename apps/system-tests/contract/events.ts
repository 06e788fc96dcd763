import { expect, test } from 'vitest';
import type { Answer, Body } from '../answers.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';
import { openEvent, reserve, seatMap, seatsOf, TOMORROW, YESTERDAY } from './seat-calls.ts';

/** Events and their seat maps. */
export function events(stack: ThisStack): void {
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
    // By hand a start may be finer than what is shown of it.
    await stack()
      .sql`update events set starts_at = starts_at + interval '1 microsecond' where name = ${name}`;
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

export function seatMaps(stack: ThisStack): void {
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
