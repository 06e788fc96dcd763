import type { CouponStatus } from './facts.ts';

/** A discount in minor units of `currency`, or a percentage (0 < value <= 100). */
export type Discount = {
  type: 'percentage' | 'fixed';
  value: number;
  max_amount?: number | undefined;
  minimum_order_value?: number | undefined;
  currency: string;
};

/** A coupon's row as read for people. */
export type CouponRow = {
  name: string;
  amount: number;
  remaining_amount: number;
  claimed_count: number;
  status: CouponStatus;
  starts_at: Date | null;
  ends_at: Date | null;
  per_user_limit: number;
  lock_ttl_seconds: number;
  max_redemptions_per_code: number | null;
  public: boolean;
  discount: Discount | null;
  metadata: Record<string, unknown>;
  created_at: Date;
  updated_at: Date;
};

export const couponColumns = [
  'name',
  'amount',
  'remaining_amount',
  'claimed_count',
  'status',
  'starts_at',
  'ends_at',
  'per_user_limit',
  'lock_ttl_seconds',
  'max_redemptions_per_code',
  'public',
  'discount',
  'metadata',
  'created_at',
  'updated_at',
] as const;

/** A coupon as the API shows it. A sale whose end has passed (by the database's clock) has ended. */
export function toCoupon(row: CouponRow & { is_over?: boolean }, claimedBy: string[]) {
  return {
    name: row.name,
    amount: row.amount,
    remaining_amount: row.remaining_amount,
    claimed_by: claimedBy,
    claimed_count: row.claimed_count,
    status: row.is_over ? 'ended' : row.status,
    starts_at: row.starts_at?.toISOString() ?? null,
    ends_at: row.ends_at?.toISOString() ?? null,
    per_user_limit: row.per_user_limit,
    lock_ttl_seconds: row.lock_ttl_seconds,
    max_redemptions_per_code: row.max_redemptions_per_code,
    public: row.public,
    discount: row.discount,
    metadata: row.metadata,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
