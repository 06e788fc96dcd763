import type { CouponFacts } from '@claimline/coupons';
import type { LineState } from '@claimline/tickets/line';
import type { Reason, Settled } from './outcome.ts';

/**
 * The gate: the door before the queue. It remembers per coupon who is in line, who holds a claim
 * and what the newest settle left over, and refuses at once what settle would refuse. It never
 * grants, and it counts nothing down: sold out is what a settle or the table said, not a guess
 * from admissions. So an admission that comes to nothing takes no unit from anybody, and with the
 * gate taken out every outcome is the same.
 *
 * Two forms, one conformance suite (gate.testsuite.ts): gate-redis.ts, shared by all processes, and
 * gate-local.ts, which each API process keeps for itself where there is no Redis.
 */
export type Gate = {
  /** One memory for all processes. Then the worker tells it what was settled, else each API process hears it. */
  readonly isShared: boolean;
  /**
   * One call for all claims of a coupon that arrived together; verdicts in their order.
   * `stale`: the gate has seen a newer coupon than `coupon`. `load`: it remembers nothing of this
   * coupon (or only of an older epoch): call {@link Gate.renew}, where that is not enough {@link Gate.load}, then
   * again.
   *
   * Candidates may come with an empty ticket, only to be looked at: who would be admitted is
   * `unticketed` then.
   *
   * @param nowMs the database's clock; undefined when unknown, then windows are left to settle
   */
  admit(
    coupon: CouponFacts,
    candidates: Candidate[],
    nowMs: number | undefined,
  ): Promise<{ verdicts: Verdict[]; line: LineState } | 'stale' | 'load'>;
  /**
   * Takes over the terms of a newer epoch, where who holds a claim is known and is the same by the claims epoch. False
   * where the coupon is to be loaded.
   */
  renew(coupon: CouponFacts): Promise<boolean>;
  /**
   * Remembers who holds a claim (pages of `held`), then opens for the coupon's epoch. Who is in line
   * is remembered by a shared gate as long as there is a line; the others are told (`inLine`).
   */
  load(coupon: CouponFacts, held: AsyncIterable<Holder[]>, inLine: InLine[]): Promise<void>;
  /** Takes in what a settle decided. May be told twice. */
  settled(news: Settled): Promise<void>;
  /** Takes admissions back whose job was not added. */
  giveBack(couponId: string, entries: Candidate[]): Promise<void>;
  /**
   * An undecided ticket's person and line number, with the state of the line. `mayBeDecided` where its
   * outcome may have gone unheard, see {@link Gate.forgetAll}.
   */
  find(couponId: string, ticket: string): Promise<Place | null>;
  readLine(couponId: string): Promise<LineState>;
  /** Who has been in line for at least `olderThanMs` and is before a line number; about `most` of them, in no order. */
  places(couponId: string, among: Among): Promise<InLine[]>;
  /** Forgets everything that may have changed unheard. Does nothing where the gate is shared. */
  forgetAll(): void;
  /** Coupons with somebody in line; a shared gate leaves that to the lanes and answers none. */
  couponsInLine(): string[];
};

export type Candidate = { userId: string; ticket: string };
export type Holder = { userId: string; count: number; ticket: string };
export type Place = { userId: string; line: number; state: LineState; mayBeDecided?: true };
export type InLine = Candidate & { line: number };
export type Among = { olderThanMs: number; belowLine?: number; most: number };

export type Verdict =
  | { kind: 'admitted'; line: number }
  /** In line already. Without the line number where {@link Place.mayBeDecided}: read the ticket then. */
  | { kind: 'joined'; ticket: string; line: number | null }
  | { kind: 'refused'; reason: Exclude<Reason, 'coupon_not_found'>; heldTicket: string | null }
  | { kind: 'full' }
  /** Would be admitted, but came with an empty ticket. */
  | { kind: 'unticketed' };

export const gateLimits = {
  /** Undecided claims of one coupon; beyond it claims are answered 503. About 350 bytes each in Redis, job included, and what metadata and callback they bring. */
  lineMost: 1_000_000,
  /** A coupon that nobody asked for this long is forgotten, and loaded again when somebody does. */
  idleS: 24 * 3600,
  /** Tickets decided lately that a process without Redis remembers while it loads a line. */
  justDecidedMost: 20_000,
  /** Coupons that a process without Redis remembers. */
  couponsMost: 10_000,
  /** An admission whose job has not come by then lost it: five times what adding may take. */
  orphanMs: 10_000,
} as const;

/** Why the coupon as a whole refuses, in settle's order, or null. */
export function closedReason(
  coupon: Pick<CouponFacts, 'status' | 'startsAtMs' | 'endsAtMs'>,
  remaining: number,
  nowMs: number | undefined,
): Exclude<Reason, 'already_claimed' | 'coupon_not_found'> | null {
  if (coupon.status === 'paused') return 'paused';
  if (coupon.status === 'ended') return 'ended';
  if (nowMs !== undefined) {
    if (coupon.endsAtMs !== null && coupon.endsAtMs <= nowMs) return 'ended';
    if (coupon.startsAtMs !== null && coupon.startsAtMs > nowMs) return 'not_started';
  }
  return remaining <= 0 ? 'sold_out' : null;
}
