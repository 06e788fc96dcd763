import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';

/** A use of a code; money in minor units. */
export type RedemptionRow = {
  id: number;
  code: string;
  coupon_name: string;
  user_id: string;
  order_id: string | null;
  order_value: number | null;
  discount_amount: number | null;
  created_at: Date;
};

const columns = (sql: Sql) =>
  sql`redemptions.id, code, coupon_name, user_id, order_id, order_value, discount_amount, redemptions.created_at`;

/** What is asked for: uses before number `before`, one more than `limit` when there are more. */
type Page = { limit: number; before: number | null };

/** Uses of a coupon's codes, newest first. Error: `coupon_not_found`. */
export async function listCouponRedemptions(
  sql: Sql,
  couponName: string,
  page: Page,
): Promise<RedemptionRow[]> {
  const [coupon] = await sql<{ id: string }[]>`select id from coupons where name = ${couponName}`;
  if (!coupon) throw new AppError('coupon_not_found', 'coupon not found');
  return newest(sql, sql`coupon_id = ${coupon.id}`, page);
}

/** A person's uses of codes, newest first. */
export async function listUserRedemptions(sql: Sql, userId: string, page: Page): Promise<RedemptionRow[]> {
  return newest(sql, sql`user_id = ${userId}`, page);
}

function newest(sql: Sql, whose: ReturnType<typeof columns>, { limit, before }: Page) {
  return sql<RedemptionRow[]>`
    select ${columns(sql)} from redemptions
    where ${whose} and ${before === null ? sql`true` : sql`id < ${before}`}
    order by id desc limit ${limit + 1}`;
}

/** A use of a code as the API shows it. */
export const redemptionSchema = z
  .object({
    redemption_id: z.string(),
    code: z.string(),
    coupon_name: z.string().describe('The name that the coupon had then.'),
    user_id: z.string(),
    order_id: z.string().nullable(),
    order_value: z.int().nullable().describe('In minor units, as all money here.'),
    discount_amount: z.int().nullable().describe('null: the coupon had no discount, or the order no value.'),
    final_amount: z.int().nullable(),
    redeemed_at: z.iso.datetime(),
  })
  .meta({ id: 'Redemption' });

export function toRedemption(row: RedemptionRow): z.output<typeof redemptionSchema> {
  const { id, created_at, ...use } = row;
  const { order_value, discount_amount } = use;
  return {
    redemption_id: `rdm_${id}`,
    ...use,
    final_amount: order_value === null ? null : order_value - (discount_amount ?? 0),
    redeemed_at: created_at.toISOString(),
  };
}
