import { requiredInteger, requiredText } from '@claimline/http/fields';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { z } from 'zod';
import { bookingSchema, listUserBookings, readBooking, toBooking } from './booking.ts';
import type { House } from './house.ts';
import { referenceParams } from './reference.ts';
import { refundBooking } from './refund.ts';
import { newRefundId } from './refund-row.ts';

/** How long a provider may take over a refund. */
const REFUND_MS = 40_000;

/** Reading bookings and giving money back. */
export function mountBookings(router: Router, house: House) {
  mountReading(router, house);
  mountRefunding(router, house);
}

function mountReading(router: Router, { sql }: House) {
  router.add(
    {
      method: 'get',
      path: '/api/bookings/{reference}',
      id: 'readBooking',
      tag: 'Bookings',
      summary: 'Read a booking',
      description: 'A reference cannot be guessed; holding it is enough to read the booking.',
      access: 'public',
      params: referenceParams,
      answers: { 200: { description: 'The booking', schema: bookingSchema } },
      problems: ['booking_not_found'],
    },
    async ({ c, params }) => reply(c, 200, toBooking(await readBooking(sql, params.reference))),
  );

  router.add(
    {
      method: 'get',
      path: '/api/users/{user_id}/bookings',
      id: 'listUserBookings',
      tag: 'Bookings',
      summary: "A person's bookings, newest first",
      access: 'keyed',
      params: z.object({ user_id: requiredText() }),
      query: z.object(pageQuery),
      answers: {
        200: {
          description: 'A page of bookings',
          schema: z.object({ data: z.array(bookingSchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const before = decodeCursor(cursor, 'number');
      const rows = await listUserBookings(sql, { userId: params.user_id, limit, before });
      return reply(
        c,
        200,
        page(
          rows,
          limit,
          row => row.sequence,
          row => toBooking(row),
        ),
      );
    },
  );
}

function mountRefunding(router: Router, house: House) {
  router.add(
    {
      method: 'post',
      path: '/api/bookings/{reference}/refund',
      id: 'refundBooking',
      tag: 'Bookings',
      summary: 'Give back the money of a booking, or a part of it',
      description:
        'Without an amount all that is left is given back. Once all of it is, the booking is canceled and its ' +
        'seats are free; a part leaves the booking as it is. Never more than was paid. What the provider has not ' +
        'confirmed yet is `refunding_amount`, and is carried out without being asked for again.',
      access: 'keyed',
      params: referenceParams,
      body: z.strictObject({
        amount: requiredInteger(1, Number.MAX_SAFE_INTEGER)
          .optional()
          .describe('In minor units of the currency of the booking; all that is left when left out.'),
      }),
      idempotent: { reference: async () => newRefundId(), waitMs: () => REFUND_MS },
      answers: { 200: { description: 'The booking as it is now', schema: bookingSchema } },
      problems: [
        'booking_not_found',
        'booking_not_confirmed',
        'already_refunded',
        'refund_exceeds_payment',
        'refund_failed',
      ],
    },
    async ({ c, params: { reference }, body, run }) => {
      const refundId = run?.reference ?? newRefundId();
      await refundBooking(house, { reference, refundId, amount: body.amount ?? null });
      return reply(c, 200, toBooking(await readBooking(house.sql, reference)));
    },
  );
}
