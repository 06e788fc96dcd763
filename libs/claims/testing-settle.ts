import { randomUUID } from 'node:crypto';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase } from '@claimline/db/testing';
import type { JobClaim } from './job.ts';
import type { Decision } from './outcome.ts';
import { settle, settleSettings } from './settle.ts';
import { nextTicket } from './testing.ts';

/** A database of a test's own, with pools as the worker has them. */
export async function openSettleDatabase() {
  const database = await createTestDatabase();
  function open(max: number, settings: Record<string, string> = {}): Sql {
    return openPool({
      url: database.url,
      applicationName: 'test settle',
      max,
      settings: { ...settleSettings, ...settings },
    });
  }
  const sql = open(4);
  return {
    url: database.url,
    sql,
    /** Another pool; whoever opens it closes it. */
    open,
    async close() {
      await closePool(sql, 1);
      await database.drop();
    },
  };
}

/** A coupon's row; columns that are left out have the table's defaults. */
export type CouponValues = {
  name?: string;
  amount?: number;
  remaining_amount?: number;
  per_user_limit?: number;
  status?: string;
};

/** Inserts a coupon as somebody at psql would. */
export async function insertCoupon(sql: Sql, values: CouponValues): Promise<{ id: string; name: string }> {
  const amount = values.amount ?? 1000;
  const row = { name: `coupon ${randomUUID()}`, amount, remaining_amount: amount, ...values };
  const [inserted] = await sql<{ id: string; name: string }[]>`
    insert into coupons ${sql(row)} returning id, name`;
  return inserted as { id: string; name: string };
}

/** A coupon's counters as they stand. */
export async function readCouponRow(sql: Sql, name: string) {
  const [row] = await sql<
    {
      amount: number;
      remaining_amount: number;
      granted_count: number;
      claimed_count: number;
      epoch: number;
      claims_epoch: number;
      revision: number;
    }[]
  >`
    select amount, remaining_amount, granted_count, claimed_count, epoch, claims_epoch, revision
    from coupons where name = ${name}`;
  return row;
}

/** A coupon as a settle names it. */
export type SettledCoupon = { id: string; name: string };

const never = new AbortController().signal;

/** Claims of these people in this order, each with a new ticket. */
export function claimsOf(users: string[]): JobClaim[] {
  return users.map((userId, i): JobClaim => [nextTicket(), userId, i + 1]);
}

export function settleClaims(sql: Sql, coupon: SettledCoupon, claims: JobClaim[]) {
  return settle(sql, { couponId: coupon.id, couponName: coupon.name, claims }, never);
}

/** Settles claims of these people and answers with their outcomes in order. */
export async function settleUsers(sql: Sql, coupon: SettledCoupon, users: string[]): Promise<Decision[]> {
  const claims = claimsOf(users);
  const { decisions } = await settleClaims(sql, coupon, claims);
  return claims.map(([ticket]) => decisions.get(ticket) as Decision);
}

/** An outcome in a word. */
export function inBrief(decision: Decision | undefined): string | undefined {
  return decision?.status === 'refused' ? decision.reason : decision?.status;
}

export function people(count: number, prefix = 'person'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix} ${i}`);
}

/** A coupon's claims in the order of their grants. */
export async function claimRows(sql: Sql, coupon: Pick<SettledCoupon, 'name'>) {
  return sql<{ user_id: string; ordinal: number; sequence: number; ticket: string }[]>`
    select user_id, ordinal, sequence, ticket from claims where coupon_name = ${coupon.name} order by sequence`;
}
