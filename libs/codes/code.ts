import type { Sql } from '@claimline/db/pool';
import { z } from 'zod';

export const codeLimits = { lengthMost: 64 } as const;

/** What a code consists of: printable ASCII without spaces, whichever the letter case. */
const CODE = /^[!-~]{1,64}$/;

/** Whether a text may stand in a code as it is. */
export const isCodeText = (text: string): boolean => CODE.test(text);

/** A code as it is stored, or null for what cannot be one. Letter case and spaces around it do not matter. */
export function toStored(text: string): string | null {
  const code = text.trim();
  // Before it is in upper case: a few letters that are no ASCII become some then, such as ß and ſ.
  return isCodeText(code) ? code.toUpperCase() : null;
}

export const codeStatuses = ['available', 'assigned', 'locked', 'redeemed', 'expired'] as const;
export type CodeStatus = (typeof codeStatuses)[number];

/** A code and all that is known of it. */
export type CodeRow = {
  code: string;
  coupon_name: string;
  status: CodeStatus;
  user_id: string | null;
  claim_id: number | null;
  assigned_at: Date | null;
  locked_until: Date | null;
  redemption_count: number;
  max_redemptions: number | null;
  redeemed_at: Date | null;
  created_at: Date;
};

/** How often a code was used, by its owner or, where it is public, by anybody. */
const uses = (sql: Sql) => sql`(codes.redemption_count + coalesce(assignments.redemption_count, 0))`;

/**
 * What a code's state is right now, by the database's clock: a lapsed lock locks nothing, and what was not
 * redeemed when the coupon's window closes has expired. Of codes, coupons and assignments, joined.
 */
export const statusNow = (sql: Sql) => sql`case
  when case when public then ${uses(sql)} >= max_redemptions_per_code else assignments.status = 'redeemed' end then 'redeemed'
  when coupons.ends_at <= now() then 'expired'
  when assignments.locked_until > now() then 'locked'
  when assignments.claim_id is not null then 'assigned'
  else 'available'
end`;

/** The columns of a {@link CodeRow}, of the same tables. */
export const codeColumns = (sql: Sql) => sql`
  codes.code, codes.coupon_name, ${statusNow(sql)} as status, user_id, claim_id, assigned_at,
  case when locked_until > now() then locked_until end as locked_until,
  ${uses(sql)} as redemption_count, max_redemptions_per_code as max_redemptions,
  greatest(redeemed_at, case when codes.redemption_count > 0 then (
    select created_at from code_audit where claim_id = 0 and code_audit.code = codes.code order by id desc limit 1
  ) end) as redeemed_at, codes.created_at`;

/** A code as the API shows it. */
export const codeSchema = z
  .object({
    code: z.string(),
    coupon_name: z.string(),
    status: z.enum(codeStatuses),
    user_id: z.string().nullable(),
    claim_id: z.string().nullable(),
    assigned_at: z.iso.datetime().nullable(),
    locked_until: z.iso.datetime().nullable(),
    redemption_count: z.int(),
    max_redemptions: z.int().nullable().describe('null: without limit.'),
    redeemed_at: z.iso.datetime().nullable().describe('When it was used last.'),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'Code' });

export function toCode(row: CodeRow): z.output<typeof codeSchema> {
  return {
    ...row,
    claim_id: row.claim_id === null ? null : `clm_${row.claim_id}`,
    assigned_at: row.assigned_at?.toISOString() ?? null,
    locked_until: row.locked_until?.toISOString() ?? null,
    redeemed_at: row.redeemed_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
  };
}
