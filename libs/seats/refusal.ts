import type { Problem } from '@claimline/kernel/error';
import type { EventFacts } from './facts.ts';
import type { Refusal } from './gate.ts';
import type { Reason } from './plan.ts';

const sentences: Record<Reason, string> = {
  event_not_found: 'event not found',
  not_on_sale: 'the seats of this event are not on sale',
  seat_not_found: 'the event has no such seats',
  seat_taken: 'somebody has these seats',
  stale_seat: 'these seats have changed since they were seen',
  sold_out: 'there are not so many seats left',
};

/** A refusal as the caller is told; `seats` names those that are to blame. */
export function describeRefusal(
  { reason, refused }: Refusal,
  event: EventFacts | null,
  nowMs: number | undefined,
): Problem {
  const problem: Problem = { code: reason, message: sentences[reason] };
  if (refused) problem.extra = { seats: refused };
  const opensMs = event?.onSaleAtMs ?? null;
  if (
    reason === 'not_on_sale' &&
    !event?.isCanceled &&
    opensMs !== null &&
    nowMs !== undefined &&
    opensMs > nowMs
  )
    problem.retryAfterSeconds = Math.max(1, Math.ceil((opensMs - nowMs) / 1000));
  return problem;
}
