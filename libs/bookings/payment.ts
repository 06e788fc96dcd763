import type { Sql } from '@claimline/db/pool';

export type PaymentStatus = 'preparing' | 'charging' | 'pending' | 'booked' | 'undone' | 'failed';

/** A payment as it is stored; money in minor units. */
export type PaymentRow = {
  id: string;
  reservation_id: string;
  provider: string;
  charge_id: string | null;
  amount: number;
  currency: string;
  status: PaymentStatus;
  reason: string | null;
  reference: string;
  runs: number;
  /** It has been pending for as long as it may. */
  is_overdue: boolean;
  /** Begun without a token: the payer finishes it, and may try one card after the other. */
  is_payers_turn: boolean;
};

const columns = (sql: Sql) => sql`
  id, reservation_id, provider, charge_id, amount, currency, status, reason, reference, runs, is_payers_turn,
  coalesce(pending_until <= now(), false) as is_overdue`;

/** The payment, or undefined. */
export async function findPayment(sql: Sql, id: string): Promise<PaymentRow | undefined> {
  const [row] = await sql<PaymentRow[]>`select ${columns(sql)} from payments where id = ${id}`;
  return row;
}

/** The payment that a provider's charge belongs to, or undefined. */
export async function findPaymentOfCharge(
  sql: Sql,
  provider: string,
  chargeId: string,
): Promise<PaymentRow | undefined> {
  const [row] = await sql<PaymentRow[]>`
    select ${columns(sql)} from payments where provider = ${provider} and charge_id = ${chargeId}`;
  return row;
}

/** The payment of a reservation that is under way or was booked, or undefined. */
export async function findLivePayment(sql: Sql, reservationId: string): Promise<PaymentRow | undefined> {
  const [row] = await sql<PaymentRow[]>`
    select ${columns(sql)} from payments
    where reservation_id = ${reservationId} and status in ('preparing', 'charging', 'pending', 'booked')`;
  return row;
}

/** Takes up payments that nobody works on, for `leaseSeconds`: one of them, or as many as `most`. */
export function takeDuePayments(
  sql: Sql,
  { id = null, most, leaseSeconds }: { id?: string | null; most: number; leaseSeconds: number },
): Promise<PaymentRow[]> {
  return sql<PaymentRow[]>`
    update payments set runs = runs + 1, due_at = now() + ${leaseSeconds} * interval '1 s', updated_at = now()
    where id in (
      select id from payments where due_at <= now() and (${id}::text is null or id = ${id})
      order by due_at limit ${most} for update skip locked
    )
    returning ${columns(sql)}`;
}

/** Takes up the pending payment of a reservation, whose time is over by that; or undefined. */
export async function endPending(
  sql: Sql,
  { reservationId, leaseSeconds }: { reservationId: string; leaseSeconds: number },
): Promise<PaymentRow | undefined> {
  const [row] = await sql<PaymentRow[]>`
    update payments
    set pending_until = least(pending_until, now()), due_at = now() + ${leaseSeconds} * interval '1 s', updated_at = now()
    where reservation_id = ${reservationId} and status = 'pending'
    returning ${columns(sql)}`;
  return row;
}

/** Leaves a payment for so long, as it is; while it is open what came of the charge, the seats stay held beyond that. */
export async function leavePayment(
  sql: Sql,
  id: string,
  { seconds, holdSeconds }: { seconds: number; holdSeconds: number },
): Promise<void> {
  await sql`
    with left_alone as (
      update payments set due_at = now() + ${seconds} * interval '1 s'
      where id = ${id} and due_at is not null
      returning reservation_id, status
    )
    select extend_hold(reservation_id, ${seconds + holdSeconds}::int) from left_alone where status = 'charging'`;
}

/** Stores the provider's id of the charge, before anything is taken; false when the payment was given up meanwhile. */
export async function storeCharge(
  sql: Sql,
  id: string,
  { chargeId, leaseSeconds }: { chargeId: string; leaseSeconds: number },
): Promise<boolean> {
  const { count } = await sql`
    update payments
    set charge_id = ${chargeId}, status = 'charging', due_at = now() + ${leaseSeconds} * interval '1 s', updated_at = now()
    where id = ${id} and status = 'preparing'`;
  return count === 1;
}
