import type { OperationNote } from '@claimline/http/openapi-operation';

const counts = { total: 500, available: 498, held: 2, booked: 0, blocked: 0 };
const event = {
  id: 'evt_2f1d6a0b9c3e4f5a8b7c6d5e4f3a2b1c',
  name: 'Winter gala',
  venue: 'City hall',
  starts_at: '2026-12-24T19:00:00.000Z',
  on_sale_at: '2026-12-01T09:00:00.000Z',
  reservation_ttl_seconds: 600,
  currency: 'EUR',
  status: 'on_sale',
  metadata: {},
  created_at: '2026-11-20T09:00:00.000Z',
  updated_at: '2026-11-20T09:00:00.000Z',
};
const heldSeat = (number: string) => ({
  ...{ number, section: 'hall', row: 'A', type: 'standard', price: 4500, currency: 'EUR' },
});
const reservation = {
  id: 'rsv_7b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e',
  event_id: event.id,
  user_id: 'ada',
  seats: [heldSeat('A1'), heldSeat('A2')],
  status: 'active',
  amount: 9000,
  currency: 'EUR',
  expires_at: '2026-12-01T09:10:00.000Z',
  created_at: '2026-12-01T09:00:00.000Z',
};
const queued = {
  ticket: 'tkt_cLhhPTX6TRyrh0zXw5rEXwGaWvsqgPYFIeI4vbLmjtPuNSfW',
  event_id: event.id,
  user_id: 'ada',
  status: 'queued',
  eta: { known: false },
  created_at: '2026-12-01T09:00:00.000Z',
};

/** Examples of the calls around seats, by operation id. */
export const seatNotes: Record<string, OperationNote> = {
  createEvent: {
    body: { name: event.name, venue: event.venue, starts_at: event.starts_at, on_sale_at: event.on_sale_at },
    answers: {
      201: {
        ...{ ...event, currency: null, status: 'upcoming' },
        seats: { ...counts, total: 0, available: 0, held: 0 },
      },
    },
    headers: { 201: ['Location'] },
  },
  readEvent: { answers: { 200: { ...event, seats: counts } } },
  listEvents: { answers: { 200: { data: [event], next_cursor: null } } },
  changeEvent: { body: { reservation_ttl_seconds: 300 }, answers: { 200: { ...event, seats: counts } } },
  addSeats: {
    body: { seats: [heldSeat('A1'), heldSeat('A2')] },
    answers: { 201: { created: 2 } },
  },
  changeSeats: { body: { seats: ['A1'], status: 'blocked' }, answers: { 200: { changed: 1 } } },
  listSeats: {
    answers: { 200: { data: [{ ...heldSeat('A1'), status: 'held', version: 2 }], next_cursor: null } },
  },
  reserveSeats: {
    body: { user_id: 'ada', seats: [{ number: 'A1', version: 1 }, { number: 'A2' }] },
    answers: { 201: reservation, 202: queued },
    headers: { 201: ['Preference-Applied', 'Location'], 202: ['Preference-Applied'] },
  },
  readReservation: { answers: { 200: reservation } },
  releaseReservation: { answers: { 200: { ...reservation, status: 'canceled' } } },
  listUserReservations: { answers: { 200: { data: [reservation], next_cursor: null } } },
};
