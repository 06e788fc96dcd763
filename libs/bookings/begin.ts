import { sqlFile } from '@claimline/db/sql-file';
import { AppError } from '@claimline/kernel/error';
import { type House, sagaLimits } from './house.ts';
import { findLivePayment, findPayment, type PaymentRow } from './payment.ts';
import { drawReference } from './reference.ts';

const beginStatement = sqlFile(import.meta.url, './begin.sql');

/** Tries where a payment of the reservation ends, or a reference was drawn twice, in the very moment. */
const TRIES = 3;

/** What a person wants to pay, and how. */
export type Order = {
  paymentId: string;
  reservationId: string;
  method: string;
  token: string | null;
  metadata: unknown;
};

/**
 * Begins a payment, or finds the one that there is: of the same request, under way, or booked.
 * @returns `isOurs` when the caller has to carry it on, having it for `leaseSeconds`
 * @throws AppError `reservation_expired`, `reservation_not_found`, `payment_failed` after too many tries
 */
export async function beginPayment(
  { sql }: House,
  { paymentId, reservationId, method, token, metadata }: Order,
): Promise<{ payment: PaymentRow; isOurs: boolean }> {
  const { leaseSeconds, holdSeconds, triesMost } = sagaLimits;
  const text = metadata === undefined ? null : JSON.stringify(metadata);
  for (let tries = 0; tries < TRIES; tries++) {
    const [begun] = await sql.unsafe<(PaymentRow & { verdict: string })[]>(
      beginStatement,
      [
        ...[paymentId, reservationId, method, drawReference(), leaseSeconds, holdSeconds, text, triesMost],
        token === null,
      ],
      { prepare: true },
    );
    if (begun?.verdict === 'ok') return { payment: begun, isOurs: true };
    if (begun) {
      await sql`delete from payments where id = ${paymentId} and status = 'preparing'`;
      if (begun.verdict !== 'booked') throw notHeld(begun.verdict);
    }
    const payment = (await findPayment(sql, paymentId)) ?? (await findLivePayment(sql, reservationId));
    if (payment) return { payment, isOurs: false };
    await refuse(sql, reservationId);
  }
  throw new Error(`a payment for reservation ${reservationId} could not be begun`);
}

/** Throws where nothing will ever begin. */
async function refuse(sql: House['sql'], reservationId: string): Promise<void> {
  const [found] = await sql<{ tries: number; is_canceled: boolean }[]>`
    select (select count(*) from payments where reservation_id = reservations.id)::int as tries, is_canceled
    from reservations join events on events.id = event_id where reservations.id = ${reservationId}`;
  if (!found) throw new AppError('reservation_not_found', 'reservation not found');
  if (found.is_canceled) throw new AppError('reservation_expired', 'the event is canceled');
  if (found.tries >= sagaLimits.triesMost)
    throw new AppError('payment_failed', 'too many payments have failed for this reservation', {
      extra: { reason: 'too_many_tries' },
    });
}

function notHeld(verdict: string): AppError {
  const why = verdict === 'canceled' ? 'was released' : 'has expired';
  return new AppError('reservation_expired', `this reservation ${why}: its seats are not held any more`);
}
