import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { type CodeRow, type CodeStatus, codeColumns, statusNow } from './code.ts';

export const listLimits = {
  /** Codes that are looked at for a page of those with a certain status; some 0.1 s. */
  seenMost: 20_000,
} as const;

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

/** Codes of a stretch, and the last one that was looked at where more follow. */
type Stretch = { rows: CodeRow[]; seenTo: string | null };

/**
 * A coupon's codes in their own order after code `after`, one more than `limit` when there are more. Only a stretch
 * of the book is looked at: where few codes have the status, it may hold fewer than `limit` although more
 * follow. Error: `coupon_not_found`.
 */
export async function listCodes(
  sql: Sql,
  query: { couponName: string; status: CodeStatus | undefined; limit: number; after: string | null },
): Promise<Stretch> {
  const { couponName, status, limit, after } = query;
  const most = status === undefined ? limit + 1 : listLimits.seenMost;
  const following = sql`
    from codes where coupon_name = ${couponName} and ${after === null ? sql`true` : sql`code > ${after}`} order by code`;
  const found = await sql<(CodeRow & { seen_to: string | null })[]>`
    with page as (
      select ${codeColumns(sql)}
      from (select * ${following} limit ${most}) codes
      join coupons on coupons.name = codes.coupon_name
      -- One by one and in their order, so that it ends where the page is full.
      left join lateral (
        select * from assignments where assignments.code = codes.code offset 0
      ) assignments on true
      where ${status === undefined ? sql`true` : sql`${statusNow(sql)} = ${status}`}
      order by codes.code limit ${limit + 1}
    )
    select page.*, (select code ${following} offset ${most - 1} limit 1) as seen_to
    from coupons left join page on true
    where name = ${couponName}
    order by page.code`;
  if (found.length === 0) throw new AppError('coupon_not_found', 'coupon not found');
  const rows = found.filter(({ code }) => code !== null).map(({ seen_to: _, ...row }) => row);
  return { rows, seenTo: found[0]?.seen_to ?? null };
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
    from (
      -- Each by an index of its own that has them in order, so that a page costs as much as it shows.
      (
        select * from code_audit
        where claim_id = (select claim_id from assignments where code = ${code}) and id > ${after ?? 0}
        order by id limit ${limit + 1}
      )
      union all
      (
        select * from code_audit where claim_id = 0 and code = ${code} and id > ${after ?? 0}
        order by id limit ${limit + 1}
      )
    ) changes
    order by id limit ${limit + 1}`;
}
