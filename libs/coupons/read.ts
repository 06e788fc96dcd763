import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { type CouponRow, couponColumns } from './coupon.ts';
import type { CouponStatus } from './facts.ts';

/** `claimed_by` shows the first of them; GET .../claims pages through all. */
const CLAIMED_BY_MOST = 1000;

type Read = CouponRow & { is_over: boolean };

/** One statement, so that what it shows belongs together. */
export async function readCoupon(sql: Sql, name: string): Promise<{ row: Read; claimedBy: string[] }> {
  const [row] = await sql<(Read & { claimed_by: string[] })[]>`
    select
      ${sql(couponColumns as unknown as string[])},
      coalesce(ends_at <= now(), false) as is_over,
      array(
        select user_id from claims where coupon_name = coupons.name order by sequence limit ${CLAIMED_BY_MOST}
      ) as claimed_by
    from coupons where name = ${name}`;
  if (!row) throw new AppError('coupon_not_found', 'coupon not found');
  return { row, claimedBy: row.claimed_by };
}

/** Coupons by name, one more than `limit` when there are more; `after` is the last name seen. */
export async function listCoupons(
  sql: Sql,
  { status, limit, after }: { status: CouponStatus | undefined; limit: number; after: string | null },
): Promise<Read[]> {
  return sql<Read[]>`
    select ${sql(couponColumns as unknown as string[])}, coalesce(ends_at <= now(), false) as is_over
    from coupons
    where ${after === null ? sql`true` : sql`name > ${after}`}
      and ${status === undefined ? sql`true` : sql`case when ends_at <= now() then 'ended' else status end = ${status}`}
    order by name limit ${limit + 1}`;
}

/** What became of a coupon's units, as the API shows it. A plain count has no codes to lock, redeem or expire. */
export type CouponStats = {
  total: number;
  available: number;
  assigned: number;
  locked: number;
  redeemed: number;
  expired: number;
  claims: number;
  validations: number;
};

/**
 * The five states sum to the total. Only locked and redeemed codes are counted, each by an index of its own, and
 * the codes of a public coupon, which count their own uses; what was not redeemed when the coupon's window closes has expired. Error: `coupon_not_found`.
 */
export async function readStats(sql: Sql, name: string): Promise<CouponStats> {
  const [row] = await sql<Counted[]>`
    select
      amount as total, remaining_amount - used_up.unheld as available, claimed_count as claims,
      (select coalesce(sum(attempts), 0)::int8 from validation_counts where coupon_id = coupons.id) as validations,
      has_book and coalesce(ends_at <= now(), false) as has_expired,
      (select count(*) from assignments
        where status = 'locked' and locked_until > now() and coupon_id = coupons.id) - used_up.locked as locked,
      case when public then used_up.codes
        else (select count(*) from assignments where status = 'redeemed' and coupon_id = coupons.id)
      end as redeemed
    from coupons, lateral (
      select count(*) as codes, count(*) filter (where assignments.code is null) as unheld,
        count(*) filter (where locked_until > now()) as locked
      from codes left join assignments on assignments.code = codes.code
      where public and max_redemptions_per_code is not null and coupon_name = coupons.name
        and codes.redemption_count + coalesce(assignments.redemption_count, 0) >= max_redemptions_per_code
    ) used_up
    where name = ${name}`;
  if (!row) throw new AppError('coupon_not_found', 'coupon not found');
  const { has_expired, ...counted } = row;
  const { total, redeemed } = counted;
  const state = has_expired
    ? { available: 0, assigned: 0, locked: 0, expired: total - redeemed }
    : { assigned: total - counted.available - counted.locked - redeemed, expired: 0 };
  return { ...counted, ...state };
}

type Counted = {
  total: number;
  available: number;
  claims: number;
  validations: number;
  has_expired: boolean;
  locked: number;
  redeemed: number;
};
