/** What a claim needs to know of a coupon: a row at one epoch and revision (see the migration). */
export type CouponFacts = {
  id: string;
  name: string;
  epoch: number;
  revision: number;
  remaining: number;
  status: CouponStatus;
  startsAtMs: number | null;
  endsAtMs: number | null;
  perUserLimit: number;
};

export const couponStatuses = ['active', 'paused', 'ended'] as const;
export type CouponStatus = (typeof couponStatuses)[number];
