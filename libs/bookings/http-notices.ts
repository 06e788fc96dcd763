import { readRaw } from '@claimline/http/body';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { header } from '@claimline/http/scope';
import { AppError } from '@claimline/kernel/error';
import { ProviderAwayError } from '@claimline/payments';
import { z } from 'zod';
import { bookingLimits } from './book-reservation.ts';
import type { House } from './house.ts';
import { applyNotice } from './notice.ts';

/** Webhooks of payment providers. */
export function mountNotices(router: Router, house: House) {
  router.add(
    {
      method: 'post',
      path: '/api/payments/{provider}/webhook',
      id: 'receivePaymentWebhook',
      tag: 'Bookings',
      summary: "Take a payment provider's webhook",
      description:
        "The provider's own body and signature. It may come twice and in any order: the provider is asked what " +
        'is so. Answered with 503 it should be sent again.',
      access: 'public',
      params: z.object({ provider: z.string() }),
      answers: {
        200: {
          description: 'Verified and acted on',
          schema: z.object({ received: z.literal(true), is_new: z.boolean() }),
        },
      },
      problems: ['unauthorized', 'payment_method_unavailable', 'payload_too_large'],
    },
    async ({ c, params: { provider: name } }) => {
      const provider = house.providers.take(name);
      const body = await readRaw(c);
      const notice = await provider.readNotice({ header: field => header(c, field), body });
      if (!notice) return reply(c, 200, { received: true, is_new: false });
      try {
        const isNew = await applyNotice(house, { provider: name, ...notice });
        return reply(c, 200, { received: true, is_new: isNew });
      } catch (error) {
        if (!(error instanceof ProviderAwayError)) throw error;
        const { retryAfterSeconds } = bookingLimits;
        throw new AppError('unavailable', 'the provider cannot be reached', {
          retryAfterSeconds,
          cause: error,
        });
      }
    },
  );
}
