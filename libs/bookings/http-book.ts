import { randomBytes } from 'node:crypto';
import { metadata, requiredText } from '@claimline/http/fields';
import type { AnswerSeal } from '@claimline/http/idempotency-key';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { reservationParams } from '@claimline/seats';
import { z } from 'zod';
import { bookReservation } from './book-reservation.ts';
import { bookingSchema, toBooking } from './booking.ts';
import type { House } from './house.ts';

/** How long a provider may take over a charge, which is two calls of half a minute each at the very most. */
const CHARGE_MS = 60_000;

/** Booking a reservation. */
export function mountBooking(router: Router, house: House, seal: AnswerSeal) {
  router.add(
    {
      method: 'post',
      path: '/api/reservations/{id}/booking',
      id: 'bookReservation',
      tag: 'Bookings',
      summary: 'Pay for a reservation and book its seats',
      description:
        'Charges once and books, or gives back what it charged. A payment that is refused leaves the hold as it ' +
        'is: try again with another key. A pending payment makes a pending booking, which the provider or a ' +
        'timeout decides.',
      access: 'public',
      params: reservationParams,
      body: z.strictObject({
        payment: z.strictObject({
          method: requiredText().describe('`stripe`, or `mock` where it is on.'),
          token: requiredText()
            .optional()
            .describe(
              "The payer's means of payment, as the provider knows it. Without one it is the payer's turn.",
            ),
        }),
        metadata: metadata().optional(),
      }),
      idempotent: {
        reference: async () => `pay_${randomBytes(12).toString('base64url')}`,
        waitMs: () => CHARGE_MS,
        isRequired: true,
      },
      seal,
      answers: {
        200: { description: 'It was booked by another request: that booking', schema: bookingSchema },
        201: { description: 'Booked, or pending', schema: bookingSchema },
      },
      problems: [
        'payment_failed',
        'reservation_not_found',
        'reservation_expired',
        'payment_in_progress',
        'payment_method_unavailable',
      ],
    },
    async ({ c, params, body, run }) => {
      const { payment, metadata } = body;
      const paymentId = run?.reference;
      if (!paymentId) throw new Error('a booking needs the reference of its run');
      const { booking, isNew, clientSecret } = await bookReservation(house, {
        paymentId,
        reservationId: params.id,
        method: payment.method,
        token: payment.token ?? null,
        metadata,
      });
      return reply(c, isNew ? 201 : 200, toBooking(booking, clientSecret));
    },
  );
}
