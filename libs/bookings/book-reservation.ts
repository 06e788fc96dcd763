import { AppError } from '@claimline/kernel/error';
import { ProviderAwayError } from '@claimline/payments';
import { beginPayment, type Order } from './begin.ts';
import { type BookingRow, findBookingOfPayment } from './booking.ts';
import { charge } from './charge.ts';
import { type House, sagaLimits } from './house.ts';
import { leavePayment, type PaymentRow, takeDuePayments } from './payment.ts';

export const bookingLimits = {
  /** Retry-After where a payment is under way, or the provider is away. */
  retryAfterSeconds: 2,
} as const;

/** What booking came to. `isNew` is false where the reservation was booked by another request. */
export type Booked = { booking: BookingRow; isNew: boolean; clientSecret: string | null };

/**
 * Books what a reservation holds: charge, then confirm, or give back. Two at once come to one charge and one
 * booking; the same `paymentId` is the same try, wherever it was interrupted.
 * @throws AppError `payment_failed`, `payment_in_progress`, `payment_method_unavailable`, `reservation_expired`,
 *   `reservation_not_found`; `unavailable` when the provider is away and it is open what came of it
 */
export async function bookReservation(house: House, order: Order): Promise<Booked> {
  house.providers.take(order.method);
  const { payment, isOurs } = await beginPayment(house, order);
  house.reach('payment begun');
  if (isOurs) return carryOn(house, payment, order);
  const isSame = payment.id === order.paymentId;
  if (payment.status === 'preparing' || payment.status === 'charging') {
    if (!isSame) throw inProgress();
    const { leaseSeconds } = sagaLimits;
    const [taken] = await takeDuePayments(house.sql, { id: payment.id, most: 1, leaseSeconds });
    if (!taken) throw inProgress();
    return carryOn(house, taken, order);
  }
  const answered = await answer(house, payment);
  if (!isSame && answered.booking.status === 'canceled')
    throw new AppError('reservation_expired', 'this reservation was booked, and its booking was canceled');
  const clientSecret = isSame && payment.status === 'pending' ? await readSecret(house, payment) : null;
  return { ...answered, isNew: isSame, clientSecret };
}

/** What the payer's device needs, again, for the answer that never arrived. */
async function readSecret({ providers }: House, { provider, charge_id }: PaymentRow): Promise<string | null> {
  if (charge_id === null) return null;
  const { clientSecret } = await providers.take(provider).read(charge_id).catch(orAway);
  return clientSecret;
}

async function carryOn(house: House, begun: PaymentRow, { token }: Order): Promise<Booked> {
  try {
    const { payment, clientSecret } = await charge(house, begun, token);
    return { ...(await answer(house, payment)), isNew: true, clientSecret };
  } catch (error) {
    if (!(error instanceof ProviderAwayError)) throw error;
    const { holdSeconds } = sagaLimits;
    await leavePayment(house.sql, begun.id, { seconds: bookingLimits.retryAfterSeconds, holdSeconds });
    return orAway(error);
  }
}

function orAway(error: unknown): never {
  if (!(error instanceof ProviderAwayError)) throw error;
  throw new AppError('unavailable', 'the payment provider cannot be reached; ask again with the same key', {
    retryAfterSeconds: bookingLimits.retryAfterSeconds,
    cause: error,
  });
}

/** The booking that a payment came to, or why there is none. */
async function answer({ sql }: House, payment: PaymentRow): Promise<Omit<Booked, 'isNew'>> {
  if (payment.status === 'failed')
    throw new AppError('payment_failed', 'the payment was refused; the seats are still held', {
      extra: { reason: payment.reason },
    });
  if (payment.status === 'undone')
    throw new AppError(
      'reservation_expired',
      'the seats could not be booked any more; the payment is given back',
    );
  if (payment.status === 'preparing' || payment.status === 'charging') throw inProgress();
  const booking = await findBookingOfPayment(sql, payment.id);
  if (!booking) throw new Error(`payment ${payment.id} is ${payment.status} without a booking`);
  return { booking, clientSecret: null };
}

function inProgress(): AppError {
  return new AppError('payment_in_progress', 'a payment for this reservation is under way', {
    retryAfterSeconds: bookingLimits.retryAfterSeconds,
  });
}
