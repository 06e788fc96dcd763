import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { type CouponRow, couponColumns } from './coupon.ts';
import type { NewCoupon } from './schemas.ts';

/** Creates a coupon; exactly one of many who create the same name at once succeeds. */
export async function createCoupon(sql: Sql, input: NewCoupon): Promise<CouponRow> {
  const values = {
    name: input.name,
    amount: input.amount,
    remaining_amount: input.amount,
    starts_at: input.starts_at ?? null,
    ends_at: input.ends_at ?? null,
    per_user_limit: input.per_user_limit,
    lock_ttl_seconds: input.lock_ttl_seconds,
    max_redemptions_per_code: input.max_redemptions_per_code,
    public: input.public,
    discount: input.discount ? sql.json(input.discount as never) : null,
    metadata: sql.json((input.metadata ?? {}) as never),
  };
  const [row] = await sql<CouponRow[]>`
    insert into coupons ${sql(values)} on conflict (name) do nothing
    returning ${sql(couponColumns as unknown as string[])}`;
  if (!row) throw new AppError('coupon_exists', 'coupon already exists');
  return row;
}
