import type { CouponFacts } from '@claimline/coupons';
import { AppError } from '@claimline/kernel/error';
import type { Reason } from './outcome.ts';

/** The sentence for each reason; the first three are those of the simple form's well-known contract. */
const sentences: Record<Reason, string> = {
  already_claimed: 'coupon already claimed by user',
  sold_out: 'coupon out of stock',
  coupon_not_found: 'coupon not found',
  not_started: 'the sale of this coupon has not started',
  ended: 'the sale of this coupon has ended',
  paused: 'the sale of this coupon is paused',
};

/** A paused sale may open again at any moment; asking every few seconds is enough. */
const PAUSED_RETRY_S = 5;

/**
 * A refusal as an error for the caller. The simple form answers 400 where nothing is left; the
 * rest is the same.
 */
export function refusalError({
  reason,
  heldTicket,
  coupon,
  nowMs,
  isSimple,
}: {
  reason: Reason;
  heldTicket: string | null;
  coupon: CouponFacts | null;
  nowMs: number | undefined;
  isSimple: boolean;
}): AppError {
  return new AppError(reason, sentences[reason], {
    ...(isSimple && reason === 'sold_out' && { status: 400 }),
    ...(heldTicket && { extra: { ticket: heldTicket } }),
    ...(reason === 'paused' && { retryAfterSeconds: PAUSED_RETRY_S }),
    ...(reason === 'not_started' && {
      retryAfterSeconds: Math.max(1, Math.ceil(((coupon?.startsAtMs ?? 0) - (nowMs ?? Date.now())) / 1000)),
    }),
  });
}
