import type { Model, Timed } from './find-order.ts';

export type Status = 'active' | 'paused' | 'ended';

/** What somebody asked of a coupon, and what they were told; `told` is missing where no answer came. */
export type Asked =
  | { kind: 'claim'; user: string; form: 'simple' | 'waiting'; told?: Told; ticket?: string }
  | { kind: 'amount'; amount: number; told?: 'changed' | 'below_granted' }
  | { kind: 'status'; status: Status; told?: 'changed' }
  | { kind: 'read'; told?: { amount: number; remaining: number; status: Status; claimedBy: string[] } };

export type Told = 'granted' | 'already_claimed' | 'sold_out' | 'paused' | 'ended';
export type Operation = Timed & Asked;

/** A coupon as a single thing: its stock, its state, and who has a unit by which ticket, in order. */
interface CouponState {
  amount: number;
  status: Status;
  grants: readonly { user: string; ticket: string | undefined }[];
}

/** An open coupon of which one person gets one. */
export function couponModel(amount: number): Model<CouponState, Operation> {
  return { start: { amount, status: 'active', grants: [] }, step, keyOf: JSON.stringify };
}

function step(state: CouponState, asked: Asked): CouponState | null {
  if (asked.kind === 'claim') return claim(state, asked);
  if (asked.kind === 'read') return !asked.told || isSeen(state, asked.told) ? state : null;
  if (asked.kind === 'status') return { ...state, status: asked.status };
  const answer = asked.amount < state.grants.length ? 'below_granted' : 'changed';
  if (asked.told && asked.told !== answer) return null;
  return answer === 'changed' ? { ...state, amount: asked.amount } : state;
}

function claim(
  state: CouponState,
  { user, form, told, ticket }: Asked & { kind: 'claim' },
): CouponState | null {
  const held = state.grants.find(grant => grant.user === user);
  const answer = answerTo(state, held !== undefined);
  // Two claims of one person who are in line together share a ticket; the simple form tells one of them.
  const isToldAgain =
    told === 'granted' && form === 'waiting' && held !== undefined && held.ticket === ticket;
  if (isToldAgain) return state;
  if (told && told !== answer) return null;
  if (told === 'already_claimed' && ticket && held?.ticket && held.ticket !== ticket) return null;
  return answer === 'granted' ? { ...state, grants: [...state.grants, { user, ticket }] } : state;
}

function answerTo({ amount, status, grants }: CouponState, isHeld: boolean): Told {
  if (isHeld) return 'already_claimed';
  if (status !== 'active') return status;
  return grants.length < amount ? 'granted' : 'sold_out';
}

function isSeen(state: CouponState, seen: NonNullable<(Asked & { kind: 'read' })['told']>): boolean {
  return (
    seen.amount === state.amount &&
    seen.status === state.status &&
    seen.remaining === state.amount - state.grants.length &&
    seen.claimedBy.length === state.grants.length &&
    state.grants.every(({ user }, index) => seen.claimedBy[index] === user)
  );
}
