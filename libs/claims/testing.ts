import { randomUUID } from 'node:crypto';
import type { CouponFacts } from '@claimline/coupons';
import { randomOf } from '@claimline/kernel/testing-random';
import type { Decision, Reason, Settled } from './outcome.ts';

let tickets = 0;

/** A ticket that no other test uses; not genuine, where nobody looks into it. */
export function nextTicket(): string {
  return `tkt_${String(++tickets).padStart(48, '0')}`;
}

/** An open coupon with 1,000 units that nobody else uses. */
export function couponFacts(facts: Partial<CouponFacts> = {}): CouponFacts {
  const id = randomUUID();
  return {
    id,
    name: `coupon ${id}`,
    epoch: 1,
    claimsEpoch: 1,
    revision: 1,
    remaining: 1000,
    status: 'active',
    startsAtMs: null,
    endsAtMs: null,
    perUserLimit: 1,
    ...facts,
  };
}

/** Holders as {@link Gate.load} reads them: in pages, an empty one among them. */
export async function* pages<Item>(items: Item[]): AsyncGenerator<Item[]> {
  for (let from = 0; from < items.length; from += 1000) yield items.slice(from, from + 1000);
  yield [];
}

export function granted(userId: string, held = 1): Decision {
  return { ...decided(userId), status: 'granted', claimId: 'clm_1', sequence: 1, held, hasCode: false };
}

export function refused(userId: string, reason: Reason, heldTicket: string | null = null): Decision {
  return { ...decided(userId), status: 'refused', reason, heldTicket };
}

export function failed(userId: string): Decision {
  return { ...decided(userId), status: 'failed' };
}

function decided(userId: string) {
  return { couponName: 'a coupon', userId, decidedAtMs: 0 };
}

/** News of a settle: a revision later, unless said otherwise. */
export function settledNews(
  coupon: CouponFacts,
  { revision = coupon.revision + 1, remaining = coupon.remaining }: { revision?: number; remaining?: number },
  decisions: (readonly [ticket: string, decision: Decision])[],
): Settled {
  return {
    couponId: coupon.id,
    couponName: coupon.name,
    state: { epoch: coupon.epoch, claimsEpoch: coupon.claimsEpoch, revision, remaining },
    decisions: new Map(decisions),
  };
}

/** Chance that is the same for the same seed. */
export function seededRandom(seed: number) {
  const next = randomOf(seed);
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    pick: <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item,
    chance: (share: number) => next() < share,
  };
}

export type Random = ReturnType<typeof seededRandom>;
