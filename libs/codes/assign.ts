import type { Grant } from '@claimline/claims';
import type { Sql } from '@claimline/db/pool';
import type { CodeRow } from './code.ts';
import { readCode } from './list.ts';
import { type Caller, type Refusal, refusal } from './verdict.ts';

/** What settle refuses with, in the words of who wants a code. */
const refusals: Record<string, Refusal> = {
  already_claimed: 'quota_reached',
  paused: 'coupon_inactive',
  ended: 'coupon_inactive',
  not_started: 'coupon_inactive',
  sold_out: 'code_not_available',
  coupon_not_found: 'code_not_found',
};

/** The coupon whose book a code is in, the ticket of the claim that has it, if one has, and whether everybody has used it up. */
export type Place = {
  couponId: string;
  couponName: string;
  isTaken: boolean;
  isUsedUp: boolean;
  ticket: string | null;
};

/** Error: `code_not_found`. */
export async function findPlace(sql: Sql, code: string): Promise<Place> {
  const [place] = await sql<Place[]>`
    select coupons.id as "couponId", name as "couponName", assignments.code is not null as "isTaken", ticket,
      coalesce(codes.redemption_count >= max_redemptions_per_code, false) as "isUsedUp"
    from codes
    join coupons on name = coupon_name
    left join assignments on assignments.code = codes.code
    left join claims on claims.id = claim_id
    where codes.code = ${code}`;
  if (!place) throw refusal('code_not_found');
  return place;
}

/**
 * Assigns a given code to a person: a grant like any other (claims/grant.ts). With a ticket that has it
 * already, nothing changes.
 *
 * @throws AppError `code_not_found`, `code_not_available`, `quota_reached`, `coupon_inactive`
 */
export async function assignCode(
  { sql, grant }: { sql: Sql; grant: Grant },
  { code, userId, ticket, place }: { code: string; userId: string; ticket: string; place: Place },
  { address, agent }: Caller,
): Promise<CodeRow> {
  // Before the person's limit is looked at: what nobody can have is the better answer. Settle decides.
  if (place.isTaken ? place.ticket !== ticket : place.isUsedUp) throw refusal('code_not_available');
  const { couponId, couponName } = place;
  const decision = await grant({ couponId, couponName, userId, ticket, named: { code, address, agent } });
  if (decision.status !== 'granted')
    throw refusal(refusals[decision.status === 'refused' ? decision.reason : ''] ?? 'code_not_available');
  return readCode(sql, code);
}
