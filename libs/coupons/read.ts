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
