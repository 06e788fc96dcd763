import type { CouponFacts } from '@claimline/coupons';
import type { Scripts } from '@claimline/queue/engine';
import { gateLimits, type InLine } from './gate.ts';
import { gateScript, heldKey, lineKeys } from './gate-keys.ts';

const limits = {
  /** Entries that one command looks at. */
  page: 2000,
} as const;

/** What a gate remembers of a coupon. */
export type KnownCoupon = {
  epoch: number;
  claimsEpoch: number;
  revision: number;
  remaining: number;
  status: CouponFacts['status'];
  startsAtMs: number | null;
  endsAtMs: number | null;
  perUserLimit: number;
};

/** Looks into the gate in Redis, for whoever compares it with the tables. No part of a claim's path. */
export type GateProbe = {
  /** `known` is null where the coupon has to be loaded first. */
  look(couponId: string): Promise<{ known: KnownCoupon | null; inLine: number }>;
  /** Who is known to hold a claim in a claims epoch, in pages; somebody may come twice. */
  held(couponId: string, claimsEpoch: number): AsyncGenerator<{ userId: string; count: number }[]>;
  /** Which of these tickets have no place in line. */
  placeless(couponId: string, tickets: string[]): Promise<string[]>;
  /**
   * Gives places in line back to claims that are in a job; whoever is in line with another ticket keeps that one.
   * Answers how many got one.
   */
  restore(couponId: string, claims: InLine[]): Promise<number>;
  /** Forgets what is `known` in its epoch, but not who is in line. Safe at any time: the next claim loads it. */
  forget(couponId: string, known: KnownCoupon): Promise<void>;
};

export function createGateProbe(scripts: Scripts): GateProbe {
  const look = gateScript(scripts, 'look');
  const held = gateScript(scripts, 'held');
  const placeless = gateScript(scripts, 'placeless');
  const restore = gateScript(scripts, 'restore');
  const forget = gateScript(scripts, 'forget');

  return {
    async look(couponId) {
      const [coupon, , tickets] = lineKeys(couponId);
      const [epoch, claimsEpoch, revision, remaining, status, starts, ends, limit, inLine] = (await look(
        [coupon, tickets],
        [],
      )) as [...(string | null)[], number];
      const timeOf = (text: string | null | undefined) => (text ? Number(text) : null);
      const known = epoch
        ? {
            epoch: Number(epoch),
            claimsEpoch: Number(claimsEpoch),
            revision: Number(revision),
            remaining: Number(remaining),
            status: status as CouponFacts['status'],
            startsAtMs: timeOf(starts as string | null),
            endsAtMs: timeOf(ends as string | null),
            perUserLimit: Number(limit),
          }
        : null;
      return { known, inLine: Number(inLine) };
    },

    async *held(couponId, claimsEpoch) {
      let cursor = '0';
      do {
        const [next, ...page] = (await held([heldKey(couponId, claimsEpoch)], [cursor, limits.page])) as [
          string,
          ...string[],
        ];
        yield Array.from({ length: page.length / 2 }, (_, i) => ({
          userId: page[2 * i] ?? '',
          count: Number(page[2 * i + 1]),
        }));
        cursor = next;
      } while (cursor !== '0');
    },

    async placeless(couponId, tickets) {
      const [, , ticketsKey] = lineKeys(couponId);
      const found: string[] = [];
      for (let from = 0; from < tickets.length; from += limits.page)
        found.push(...((await placeless([ticketsKey], tickets.slice(from, from + limits.page))) as string[]));
      return found;
    },

    async restore(couponId, claims) {
      let restored = 0;
      for (let from = 0; from < claims.length; from += limits.page) {
        const page = claims.slice(from, from + limits.page);
        const args = page.flatMap(({ userId, ticket, line }) => [userId, ticket, line]);
        restored += Number(await restore(lineKeys(couponId), [gateLimits.idleS, ...args]));
      }
      return restored;
    },

    async forget(couponId, { epoch, claimsEpoch }) {
      const [coupon] = lineKeys(couponId);
      await forget([coupon, heldKey(couponId, claimsEpoch)], [epoch]);
    },
  };
}
