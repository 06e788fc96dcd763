import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';
import { eventIdText, reservationIdText } from './ids.ts';
import { type HeldSeat, heldSeatSchema } from './seat.ts';

/** Retry-After where a hold is to be let go whose payment may still take money. */
const PAYING_RETRY_SECONDS = 2;

export const reservationStatuses = ['active', 'booked', 'expired', 'canceled'] as const;
type ReservationStatus = (typeof reservationStatuses)[number];

/** A reservation as it is right now, by the database's clock: one whose time is up has expired. */
export type ReservationRow = {
  id: string;
  sequence: number;
  event_id: string;
  user_id: string;
  ticket: string | null;
  seats: HeldSeat[];
  seat_count: number;
  amount: number;
  currency: string;
  status: ReservationStatus;
  expires_at: Date;
  created_at: Date;
};

export const reservationColumns = (sql: Sql) => sql`
  id, sequence, event_id, user_id, ticket, seats, seat_count, amount, currency, expires_at, created_at,
  case when status = 'active' and expires_at <= now() then 'expired' else status end as status`;

/** A reservation as the API shows it. */
export const reservationSchema = z
  .object({
    id: z.string(),
    event_id: z.string(),
    user_id: z.string(),
    seats: z.array(heldSeatSchema),
    status: z.enum(reservationStatuses),
    amount: z.int().describe('Of all seats, in minor units.'),
    currency: z.string(),
    expires_at: z.iso.datetime(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Reservation' });

export function toReservation(row: ReservationRow): z.output<typeof reservationSchema> {
  const { id, event_id, user_id, seats, status, amount, currency, expires_at, created_at } = row;
  return {
    ...{
      id: reservationIdText(id),
      event_id: eventIdText(event_id),
      user_id,
      seats,
      status,
      amount,
      currency,
    },
    ...{ expires_at: expires_at.toISOString(), created_at: created_at.toISOString() },
  };
}

/** Error: `reservation_not_found`. */
export async function readReservation(sql: Sql, id: string): Promise<ReservationRow> {
  const [row] = await sql<ReservationRow[]>`
    select ${reservationColumns(sql)} from reservations where id = ${id}`;
  if (!row) throw new AppError('reservation_not_found', 'reservation not found');
  return row;
}

/** A person's reservations, newest first, before the one of that sequence; one more than `limit` when there are more. */
export async function listUserReservations(
  sql: Sql,
  { userId, limit, before }: { userId: string; limit: number; before: number | null },
): Promise<ReservationRow[]> {
  return sql<ReservationRow[]>`
    select ${reservationColumns(sql)} from reservations
    where user_id = ${userId} and ${before === null ? sql`true` : sql`sequence < ${before}`}
    order by sequence desc limit ${limit + 1}`;
}

/**
 * Lets a reservation's seats go at once; of one that has ended nothing changes.
 * Errors: `reservation_not_found`, `reservation_booked`, `payment_in_progress`.
 */
export async function releaseHold(sql: Sql, id: string): Promise<ReservationRow> {
  const [row] = await sql<{ verdict: string }[]>`select release_hold(${id}) as verdict`;
  if (row?.verdict === 'paying')
    throw new AppError('payment_in_progress', 'a payment for this reservation is under way', {
      retryAfterSeconds: PAYING_RETRY_SECONDS,
    });
  if (row?.verdict === 'booked')
    throw new AppError('reservation_booked', 'this reservation is booked: refund the booking instead');
  return readReservation(sql, id);
}

/** Lets go what requests with these tickets came to, one after the other, as each locks seats of its own. */
export async function releaseTickets(sql: Sql, tickets: string[]): Promise<void> {
  const rows = await sql<{ id: string }[]>`
    select id from reservations where ticket = any (${tickets}) and status = 'active'`;
  for (const { id } of rows) await sql`select release_hold(${id})`;
}
