/** What a claim needs to know of a coupon: a row at one epoch, claims epoch and revision (see migrations 0001 and 0014). */
export type CouponFacts = {
  id: string;
  name: string;
  epoch: number;
  claimsEpoch: number;
  revision: number;
  remaining: number;
  status: CouponStatus;
  startsAtMs: number | null;
  endsAtMs: number | null;
  perUserLimit: number;
};

export const couponStatuses = ['active', 'paused', 'ended'] as const;
export type CouponStatus = (typeof couponStatuses)[number];
