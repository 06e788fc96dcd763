import { AppError } from '@claimline/kernel/error';
import { ProviderAwayError } from '@claimline/payments';
import { type ReservationRow, releaseHold } from '@claimline/seats';
import { bookingLimits } from './book-reservation.ts';
import { type House, sagaLimits } from './house.ts';
import { lookAtCharge } from './look.ts';
import { endPending, leavePayment } from './payment.ts';

/**
 * Lets a reservation's seats go at once. A payment that is pending is canceled at the provider first, so that nobody
 * pays for seats that are sold to others; where that comes too late it is booked.
 * @throws AppError `reservation_not_found`, `reservation_booked`; `payment_in_progress` while it is not decided;
 *   `unavailable` when the provider is away: a pending payment is canceled later all the same
 */
export async function releaseReservation(house: House, id: string): Promise<ReservationRow> {
  const { sql } = house;
  const { leaseSeconds, holdSeconds } = sagaLimits;
  const payment = await endPending(sql, { reservationId: id, leaseSeconds });
  try {
    if (payment) await lookAtCharge(house, payment, true);
  } catch (cause) {
    if (!payment || !(cause instanceof ProviderAwayError)) throw cause;
    const { retryAfterSeconds } = bookingLimits;
    await leavePayment(sql, payment.id, { seconds: retryAfterSeconds, holdSeconds });
    throw new AppError('unavailable', 'the payment provider cannot be reached to cancel the payment', {
      retryAfterSeconds,
      cause,
    });
  }
  return releaseHold(sql, id);
}
