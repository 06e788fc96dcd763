import type { Sql } from '@claimline/db/pool';
import { eventIdText, type HeldSeat, heldSeatSchema, reservationIdText } from '@claimline/seats';
import { z } from 'zod';
import { bookingNotFound } from './reference.ts';

const bookingStatuses = ['pending', 'confirmed', 'canceled', 'failed'] as const;
const paymentStatuses = ['pending', 'succeeded', 'failed', 'partially_refunded', 'refunded'] as const;

/** A booking as it is stored, with its payment's provider; money in minor units. */
export type BookingRow = {
  reference: string;
  sequence: number;
  payment_id: string;
  provider: string;
  reservation_id: string;
  event_id: string;
  user_id: string;
  seats: HeldSeat[];
  amount: number;
  currency: string;
  status: (typeof bookingStatuses)[number];
  refunded_amount: number;
  refunding_amount: number;
  metadata: Record<string, unknown> | null;
  created_at: Date;
  confirmed_at: Date | null;
  canceled_at: Date | null;
};

const bookingsOf = (sql: Sql) => sql`
  select bookings.*, provider from bookings join payments on payments.id = payment_id`;

/** The booking of a payment, or undefined. */
export async function findBookingOfPayment(sql: Sql, paymentId: string): Promise<BookingRow | undefined> {
  const [row] = await sql<BookingRow[]>`${bookingsOf(sql)} where payment_id = ${paymentId}`;
  return row;
}

/** The booking of that reference. Error: `booking_not_found`. */
export async function readBooking(sql: Sql, reference: string): Promise<BookingRow> {
  const [row] = await sql<BookingRow[]>`${bookingsOf(sql)} where bookings.reference = ${reference}`;
  if (!row) throw bookingNotFound();
  return row;
}

/** A person's bookings, newest first, one more than `limit` to tell whether there are more; `before` is a sequence. */
export function listUserBookings(
  sql: Sql,
  { userId, limit, before }: { userId: string; limit: number; before: number | null },
): Promise<BookingRow[]> {
  return sql<BookingRow[]>`
    ${bookingsOf(sql)} where user_id = ${userId} and (${before}::bigint is null or sequence < ${before})
    order by sequence desc limit ${limit + 1}`;
}

/** A booking as the API shows it. */
export const bookingSchema = z
  .object({
    reference: z.string().describe('Not to be guessed; letter case and the dashes do not matter.'),
    reservation_id: z.string(),
    event_id: z.string(),
    user_id: z.string(),
    seats: z.array(heldSeatSchema),
    amount: z.int().describe('In minor units.'),
    currency: z.string(),
    status: z.enum(bookingStatuses).describe('pending: the payment may still go either way.'),
    payment: z.object({
      id: z.string(),
      method: z.string(),
      status: z.enum(paymentStatuses),
      refunded_amount: z.int(),
      refunding_amount: z.int().describe('Asked of the provider and not confirmed yet.'),
      client_secret: z
        .string()
        .optional()
        .describe("Only in the answer to the booking, and only where the payer's device has to finish it."),
    }),
    metadata: z.record(z.string(), z.unknown()).nullable(),
    created_at: z.iso.datetime(),
    confirmed_at: z.iso.datetime().nullable(),
    canceled_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Booking' });

export function toBooking(
  row: BookingRow,
  clientSecret: string | null = null,
): z.output<typeof bookingSchema> {
  const { reference, user_id, seats, amount, currency, status, refunded_amount, refunding_amount } = row;
  return {
    reference,
    reservation_id: reservationIdText(row.reservation_id),
    event_id: eventIdText(row.event_id),
    user_id,
    seats,
    amount,
    currency,
    status,
    payment: {
      ...{ id: row.payment_id, method: row.provider, status: paymentStatusOf(row) },
      ...{ refunded_amount, refunding_amount },
      ...(clientSecret !== null && { client_secret: clientSecret }),
    },
    metadata: row.metadata,
    created_at: row.created_at.toISOString(),
    confirmed_at: row.confirmed_at?.toISOString() ?? null,
    canceled_at: row.canceled_at?.toISOString() ?? null,
  };
}

function paymentStatusOf({ status, amount, refunded_amount }: BookingRow): (typeof paymentStatuses)[number] {
  if (status === 'pending' || status === 'failed') return status;
  if (status === 'canceled' && refunded_amount === amount) return 'refunded';
  return refunded_amount > 0 ? 'partially_refunded' : 'succeeded';
}
