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

/** The five states sum to the total. Error: `coupon_not_found`. */
export async function readStats(sql: Sql, name: string): Promise<CouponStats> {
  const [row] = await sql<{ total: number; available: number; claims: number }[]>`
    select amount as total, remaining_amount as available, claimed_count as claims from coupons where name = ${name}`;
  if (!row) throw new AppError('coupon_not_found', 'coupon not found');
  const { total, available, claims } = row;
  return {
    total,
    available,
    assigned: total - available,
    locked: 0,
    redeemed: 0,
    expired: 0,
    claims,
    validations: 0,
  };
}
