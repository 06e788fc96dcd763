import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import type { Reason } from './attempt.ts';

/** An attempt as it is on record; money in minor units. */
export type AttemptRow = {
  id: number;
  created_at: Date;
  code: string;
  coupon_name: string | null;
  user_id: string;
  order_id: string | null;
  order_value: number;
  valid: boolean;
  reason: Reason | null;
  discount_amount: number | null;
  final_amount: number | null;
  address: string | null;
  agent: string | null;
  response_us: number;
};

/** What to list: of a coupon, of a person, of both, or all. */
export type AttemptQuery = {
  couponName: string | undefined;
  userId: string | undefined;
  limit: number;
  before: number | null;
};

/**
 * Attempts as they were written, the last first, before number `before`; one more than `limit` when there are
 * more. Each kind goes along an index of its own. Error: `coupon_not_found`.
 */
export async function listAttempts(sql: Sql, query: AttemptQuery): Promise<AttemptRow[]> {
  const { couponName, userId, limit, before } = query;
  const couponId = couponName === undefined ? undefined : await findCouponId(sql, couponName);
  // As the indexes have it (see the migration); all attempts together go by the primary key.
  const isAll = couponId === undefined && userId === undefined;
  const isBefore = isAll ? sql`id < ${before}` : sql`-id > -${before}::bigint`;
  return sql<AttemptRow[]>`
    select
      id, created_at, code, coupon_name, user_id, order_id, order_value, valid, reason, discount_amount,
      final_amount, address, agent, response_us
    from validations
    where ${couponId === undefined ? sql`true` : sql`coupon_id = ${couponId}`}
      and ${userId === undefined ? sql`true` : sql`user_id = ${userId}`}
      and ${before === null ? sql`true` : isBefore}
    order by ${isAll ? sql`id desc` : sql`-id`} limit ${limit + 1}`;
}

/** The identity of a coupon. Error: `coupon_not_found`. */
export async function findCouponId(sql: Sql, name: string): Promise<string> {
  const [coupon] = await sql<{ id: string }[]>`select id from coupons where name = ${name}`;
  if (!coupon) throw new AppError('coupon_not_found', 'coupon not found');
  return coupon.id;
}
