import type { CouponFacts } from '@claimline/coupons';
import type { Problem } from '@claimline/kernel/error';
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

/** Who was refused, why, and on which coupon. */
export type Refused = { reason: Reason; heldTicket: string | null; coupon: CouponFacts | null };

/** A paused sale may open again at any moment; asking every few seconds is enough. */
const PAUSED_RETRY_S = 5;

/** What a million people get: one object each, so that it is made text once (http/problem.ts). */
const soldOut: Problem = { code: 'sold_out', message: sentences.sold_out };
const soldOutSimply: Problem = { ...soldOut, status: 400 };

/** A refusal as the caller is told. The simple form answers 400 where nothing is left; the rest is the same. */
export function describeRefusal(
  { reason, heldTicket, coupon }: Refused,
  nowMs: number | undefined,
  isSimple: boolean,
): Problem {
  if (reason === 'sold_out') return isSimple ? soldOutSimply : soldOut;
  const problem: Problem = { code: reason, message: sentences[reason] };
  if (heldTicket) problem.extra = { ticket: heldTicket };
  if (reason === 'paused') problem.retryAfterSeconds = PAUSED_RETRY_S;
  if (reason === 'not_started')
    problem.retryAfterSeconds = Math.max(
      1,
      Math.ceil(((coupon?.startsAtMs ?? 0) - (nowMs ?? Date.now())) / 1000),
    );
  return problem;
}
