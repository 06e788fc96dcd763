import { randomBytes } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';

/** A refund as it is stored, with the charge it gives back; money in minor units. */
export type RefundRow = {
  id: string;
  payment_id: string;
  amount: number;
  why: 'undo' | 'request';
  status: 'pending' | 'succeeded' | 'failed';
  reason: string | null;
  runs: number;
  /** How often the provider would not give it back, or could not in the end. */
  refusals: number;
  provider: string;
  charge_id: string | null;
  currency: string;
};

const columns = (sql: Sql) => sql`
  refunds.id, payment_id, refunds.amount, why, refunds.status, refunds.reason, refunds.runs, refusals, provider, charge_id, currency`;

export function newRefundId(): string {
  return `rfd_${randomBytes(12).toString('base64url')}`;
}

/** The refund, or undefined. */
export async function findRefund(sql: Sql, id: string): Promise<RefundRow | undefined> {
  const [row] = await sql<RefundRow[]>`
    select ${columns(sql)} from refunds join payments on payments.id = payment_id where refunds.id = ${id}`;
  return row;
}

/** Takes up refunds that nobody works on; with `paymentId` all of that payment that wait for the provider's word. */
export function takeDueRefunds(
  sql: Sql,
  { paymentId = null, most, leaseSeconds }: { paymentId?: string | null; most: number; leaseSeconds: number },
): Promise<RefundRow[]> {
  return sql<RefundRow[]>`
    update refunds set runs = refunds.runs + 1, due_at = now() + ${leaseSeconds} * interval '1 s'
    from payments
    where payments.id = payment_id and refunds.id in (
      select id from refunds
      where ${paymentId === null ? sql`due_at <= now()` : sql`payment_id = ${paymentId} and due_at is not null and (reason is null or due_at <= now())`}
      order by due_at limit ${most} for update skip locked
    )
    returning ${columns(sql)}`;
}

/** Puts on record that the provider refused a refund which is owed: the next try, after so long, is another one. */
export async function retryRefund(
  sql: Sql,
  { id, refusals }: RefundRow,
  { seconds, reason }: { seconds: number; reason: string | null },
): Promise<void> {
  await sql`
    update refunds
    set due_at = now() + ${seconds} * interval '1 s', reason = ${reason}, refusals = ${refusals + 1}
    where id = ${id} and due_at is not null and refusals = ${refusals}`;
}

/** Leaves a refund for so long, and says why. */
export async function leaveRefund(
  sql: Sql,
  id: string,
  seconds: number,
  reason: string | null,
): Promise<void> {
  await sql`
    update refunds set due_at = now() + ${seconds} * interval '1 s', reason = ${reason}
    where id = ${id} and due_at is not null`;
}
