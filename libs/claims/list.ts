import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { claimIdText } from './outcome.ts';

type ClaimRow = {
  id: number;
  sequence: number;
  user_id: string;
  coupon_name: string;
  ticket: string | null;
  code: string | null;
  created_at: Date;
};

/** A claim as the API shows it. */
export function toClaim(row: ClaimRow) {
  return {
    claim_id: claimIdText(row.id),
    sequence: row.sequence,
    user_id: row.user_id,
    coupon_name: row.coupon_name,
    ticket: row.ticket,
    ...(row.code !== null && { code: row.code }),
    granted_at: row.created_at.toISOString(),
  };
}

/** The code that came with a claim: a look into an index for each row that is shown. */
const code = (sql: Sql) => sql`(select code from assignments where claim_id = claims.id) as code`;

/** A coupon's claims in claim order after sequence `after`, one more than `limit` when there are more. */
export async function listCouponClaims(
  sql: Sql,
  { couponName, limit, after }: { couponName: string; limit: number; after: number | null },
): Promise<ClaimRow[]> {
  const rows = await sql<ClaimRow[]>`
    select id, sequence, user_id, coupon_name, ticket, created_at, ${code(sql)} from claims
    where coupon_name = ${couponName} and sequence > ${after ?? 0}
    order by sequence limit ${limit + 1}`;
  if (rows.length === 0) {
    const [coupon] = await sql`select from coupons where name = ${couponName}`;
    if (!coupon) throw new AppError('coupon_not_found', 'coupon not found');
  }
  return rows;
}

/** A person's claims, newest first, before claim number `before`. */
export async function listUserClaims(
  sql: Sql,
  { userId, limit, before }: { userId: string; limit: number; before: number | null },
): Promise<ClaimRow[]> {
  return sql<ClaimRow[]>`
    select id, sequence, user_id, coupon_name, ticket, created_at, ${code(sql)} from claims
    where user_id = ${userId} and ${before === null ? sql`true` : sql`id < ${before}`}
    order by id desc limit ${limit + 1}`;
}
