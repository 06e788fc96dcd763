import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { type CodeRow, type CodeStatus, codeColumns, statusNow } from './code.ts';

const joined = (sql: Sql) => sql`
  codes join coupons on coupons.name = codes.coupon_name left join assignments on assignments.code = codes.code`;

/** Error: `code_not_found`. */
export async function readCode(sql: Sql, code: string): Promise<CodeRow> {
  const [row] = await sql<
    CodeRow[]
  >`select ${codeColumns(sql)} from ${joined(sql)} where codes.code = ${code}`;
  if (!row) throw new AppError('code_not_found', 'code not found');
  return row;
}

/** A coupon's codes in their own order after code `after`, one more than `limit` when there are more. */
export async function listCodes(
  sql: Sql,
  query: { couponName: string; status: CodeStatus | undefined; limit: number; after: string | null },
): Promise<CodeRow[]> {
  const { couponName, status, limit, after } = query;
  const rows = await sql<CodeRow[]>`
    select ${codeColumns(sql)} from ${joined(sql)}
    where codes.coupon_name = ${couponName}
      and ${after === null ? sql`true` : sql`codes.code > ${after}`}
      and ${status === undefined ? sql`true` : sql`${statusNow(sql)} = ${status}`}
    order by codes.code limit ${limit + 1}`;
  if (rows.length === 0) {
    const [coupon] = await sql`select from coupons where name = ${couponName}`;
    if (!coupon) throw new AppError('coupon_not_found', 'coupon not found');
  }
  return rows;
}

/** A person's codes, newest first, of claims before number `before`. */
export async function listUserCodes(
  sql: Sql,
  { userId, limit, before }: { userId: string; limit: number; before: number | null },
): Promise<CodeRow[]> {
  return sql<CodeRow[]>`
    select ${codeColumns(sql)}
    from (
      -- By the index on a person's claims, whatever the planner thinks of the other one.
      select id from claims where user_id = ${userId} and ${before === null ? sql`true` : sql`id < ${before}`} offset 0
    ) mine
    join assignments on claim_id = mine.id
    join codes on codes.code = assignments.code
    join coupons on coupons.name = codes.coupon_name
    order by claim_id desc limit ${limit + 1}`;
}

/** A change of a code. */
export type AuditRow = {
  id: number;
  action: 'assign' | 'lock' | 'unlock' | 'redeem' | 'lapse';
  actor: string;
  user_id: string;
  status_before: string;
  status_after: string;
  address: string | null;
  agent: string | null;
  metadata: Record<string, unknown> | null;
  created_at: Date;
};

/** What was done with a code since it was assigned, or while it was public, oldest first. Error: `code_not_found`. */
export async function listAudit(
  sql: Sql,
  { code, limit, after }: { code: string; limit: number; after: number | null },
): Promise<AuditRow[]> {
  await readCode(sql, code);
  return sql<AuditRow[]>`
    select id, action, actor, user_id, status_before, status_after, address, agent, metadata, created_at
    from code_audit
    where (claim_id = (select claim_id from assignments where code = ${code}) or claim_id = 0 and code = ${code})
      and id > ${after ?? 0}
    order by id limit ${limit + 1}`;
}
