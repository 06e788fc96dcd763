/** What comes of a charge by the mock. `laterAs`: it is pending, and turns into that after `MOCK_SETTLE_MS`. */
export type Course = {
  status: 'succeeded' | 'failed' | 'pending';
  reason?: string;
  laterAs?: 'succeeded' | 'failed';
  /** The charge is made, and the answer is lost. */
  isAnswerLost?: boolean;
};

/** How long a pending charge of the mock takes to be decided. */
export const MOCK_SETTLE_MS = 2000;

/** The tokens that the mock knows, and the course of each; without one it is `tok_ok`. */
export const mockTokens: Record<string, Course> = {
  tok_ok: { status: 'succeeded' },
  tok_declined: { status: 'failed', reason: 'card_declined' },
  tok_insufficient_funds: { status: 'failed', reason: 'insufficient_funds' },
  tok_pending: { status: 'pending' },
  tok_pending_succeeds: { status: 'pending', laterAs: 'succeeded' },
  tok_pending_fails: { status: 'pending', laterAs: 'failed', reason: 'payment_not_completed' },
  tok_answer_lost: { status: 'succeeded', isAnswerLost: true },
  tok_refund_fails: { status: 'succeeded' },
};

/** Charges by this token are never given back. */
export const UNREFUNDABLE = 'tok_refund_fails';

const unknown: Course = { status: 'failed', reason: 'unknown_token' };

/** What comes of a charge by that token. */
export function courseOf(token: string | null): Course {
  const name = token ?? 'tok_ok';
  return (Object.hasOwn(mockTokens, name) ? mockTokens[name] : undefined) ?? unknown;
}
