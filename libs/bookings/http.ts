import type { AnswerSeal } from '@claimline/http/idempotency-key';
import type { Router } from '@claimline/http/router';
import type { House } from './house.ts';
import { mountBooking } from './http-book.ts';
import { mountBookings } from './http-bookings.ts';
import { mountNotices } from './http-notices.ts';
import { mountReleasing } from './http-release.ts';

/**
 * Booking what a reservation holds or letting it go, reading and refunding bookings, and the webhooks of payment providers.
 * @param seal for answers that are kept under an Idempotency-Key and hold a client secret
 */
export function mountBookingCalls(router: Router, { seal, ...house }: House & { seal: AnswerSeal }) {
  mountBooking(router, house, seal);
  mountBookings(router, house);
  mountNotices(router, house);
  mountReleasing(router, house);
}
