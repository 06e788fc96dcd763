import { AppError, type Problem } from '@claimline/kernel/error';
import { metrics } from '@claimline/telemetry/metrics';

/** Why a code could not be locked, unlocked, redeemed or assigned, with the sentence for each. */
const sentences = {
  code_not_found: 'code not found',
  code_not_assigned: 'nobody has this code yet',
  not_owner: 'this code belongs to somebody else',
  code_public: 'anybody may use this code, so nobody can lock it',
  code_redeemed: 'this code is redeemed',
  coupon_inactive: 'the coupon of this code is paused, ended or not started',
  code_locked: 'this code is locked by another session',
  redemption_limit: 'this code was redeemed as often as its coupon allows',
  minimum_not_met: 'order_value is below the minimum of the coupon, or missing',
  order_already_used: 'this order has used a code already',
  code_not_available: 'somebody has this code already, or it is used up',
  quota_reached: 'this person has as many of this coupon as it allows',
} as const;

export type Refusal = keyof typeof sentences;

/** What a statement answered about a code. */
export type Judged = {
  verdict: 'ok' | 'same' | Refusal;
  locked_until: Date | null;
  retry_after_seconds: number | null;
};

/** Who asks, for the audit. */
export type Caller = { actor: 'operator' | 'user'; address: string | null; agent: string | null };

/** The row, or its refusal thrown: `code_locked` says until when, and `code_redeemed` since when. */
export function orRefuse<Row extends Judged & { redeemed_at?: Date | null }>(
  action: string,
  row: Row | undefined,
): Row {
  if (!row) throw new Error(`${action} answered nothing`);
  metrics.codeActions.inc({ action, verdict: row.verdict });
  if (row.verdict === 'ok' || row.verdict === 'same') return row;
  const options: Omit<Problem, 'code' | 'message'> = {};
  if (row.verdict === 'code_locked') {
    options.retryAfterSeconds = row.retry_after_seconds ?? 1;
    options.extra = { locked_until: row.locked_until?.toISOString() };
  }
  if (row.verdict === 'code_redeemed' && row.redeemed_at)
    options.extra = { redeemed_at: row.redeemed_at.toISOString() };
  throw new AppError(row.verdict, sentences[row.verdict], options);
}

/** A refusal that no statement here made. */
export function refusal(verdict: Refusal): AppError {
  metrics.codeActions.inc({ action: 'assign', verdict });
  return new AppError(verdict, sentences[verdict]);
}
