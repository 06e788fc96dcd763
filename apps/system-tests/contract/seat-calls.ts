import { expect } from 'vitest';
import type { Body } from '../answers.ts';
import type { ClaimClient } from '../claim-client.ts';

export const WAIT = { prefer: 'wait=30' };
export const TOMORROW = new Date(Date.now() + 24 * 3_600_000).toISOString();
export const YESTERDAY = new Date(Date.now() - 24 * 3_600_000).toISOString();

export type Seat = { number: string; section?: string; row?: string; type?: string; price?: number };

/** Numbers such as A1, A2 ... in rows of ten. */
export function seatsOf(count: number, section = 'hall'): Seat[] {
  return Array.from({ length: count }, (_, i) => {
    const row = String.fromCharCode(65 + Math.floor(i / 10));
    return { number: `${section}-${row}${(i % 10) + 1}`, section, row };
  });
}

export async function openEvent(client: ClaimClient, seats: Seat[], more: Record<string, unknown> = {}) {
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

export const reserve = (client: ClaimClient, id: string, body: Record<string, unknown>, headers = WAIT) =>
  client.post(`/api/events/${id}/reservations`, body, headers);
export const named = (...numbers: string[]) => numbers.map(number => ({ number }));

/** All seats of an event, page by page. */
export async function seatMap(client: ClaimClient, id: string) {
  const seats: Body[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await client.get(`/api/events/${id}/seats?limit=300${cursor}`);
    seats.push(...body.data!);
    if (!body.next_cursor) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  return new Map(seats.map(seat => [seat.number as string, seat]));
}
