import type { Sql } from '@claimline/db/pool';

/** Charges of the mock's own books that are neither a booking nor given back, or both. */
export async function chargesAstray(sql: Sql): Promise<unknown[]> {
  const rows = await sql`
    select charge.*, payments.status as payment, bookings.status as booking
    from mock_charges charge
    left join payments on charge_id = charge.id
    left join bookings on payment_id = payments.id
    where charge.status = 'succeeded'
      and (bookings.status is not distinct from 'confirmed') = (charge.refunded_amount = charge.amount)
      or charge.refunded_amount not in (0, charge.amount)
      or charge.status = 'pending'`;
  return [...rows];
}

/** Seats that are not what became of their reservation. */
export async function seatsAstray(sql: Sql): Promise<unknown[]> {
  const rows = await sql`
    select seats.number, seats.status, reservations.status as reservation
    from seats left join reservations on reservations.id = reservation_id
    where case seats.status
      when 'booked' then not exists (
        select from bookings where bookings.reservation_id = seats.reservation_id and status = 'confirmed')
      when 'held' then reservations.status <> 'active'
      else reservation_id is not null end`;
  return [...rows];
}

/** What the mock has taken and given back, and what is booked, in minor units. */
export async function lookAtMoney(sql: Sql) {
  const [row] = await sql<{ charged: number; given_back: number; booked: number; bookings: number }[]>`
    select
      (select coalesce(sum(amount), 0) from mock_charges where status = 'succeeded')::bigint as charged,
      (select coalesce(sum(refunded_amount), 0) from mock_charges)::bigint as given_back,
      (select coalesce(sum(amount), 0) from bookings where status = 'confirmed')::bigint as booked,
      (select count(*) from bookings where status = 'confirmed') as bookings`;
  return row!;
}
