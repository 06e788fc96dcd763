import { runChecks } from '@claimline/db/checks';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase } from '@claimline/db/testing';
import { openProviders } from '@claimline/payments';
import type { House } from './house.ts';
import { bookingCheck } from './verify.ts';

/** A reservation that was made for a test, with how many seats it holds and what they cost together. */
export type Held = { id: string; eventId: string; userId: string; amount: number };

/** A database of a test's own with the saga on it, and the mock as its provider. */
export async function openBookings() {
  const database = await createTestDatabase();
  const sql = openPool({ url: database.url, applicationName: 'test bookings' });
  const stripe = { secretKey: undefined, webhookSecret: undefined, apiUrl: 'http://localhost' };
  const house: House = {
    sql,
    providers: openProviders(sql, { takesMock: true, stripe }),
    pendingSeconds: 900,
    reach: () => {},
  };
  const [event] = await sql<{ id: string }[]>`
    insert into events (name, starts_at, currency) values ('a concert', now() + interval '1 day', 'EUR') returning id`;
  const eventId = event?.id as string;
  return {
    sql,
    house,
    hold: (options?: HoldOptions) => hold(sql, eventId, options),
    loseSeats: (held: Held) => loseSeats(sql, held),
    /** What the seats of the event are, by status. */
    seats: () => countSeats(sql),
    faults: () => findFaults(database.url, sql),
    /** The violations by invariant, of those that have any. */
    verify: () => violations(database.url),
    async close() {
      await closePool(sql, 1);
      await database.drop();
    },
  };
}

export type Bookings = Awaited<ReturnType<typeof openBookings>>;

type HoldOptions = { seats?: number; price?: number; userId?: string };

let count = 0;

/** Seats that are held for somebody, written as reserving would. */
async function hold(
  sql: Sql,
  eventId: string,
  { seats = 2, price = 1500, userId = 'ada' }: HoldOptions = {},
): Promise<Held> {
  const numbers = Array.from({ length: seats }, () => `S-${++count}`);
  const [row] = await sql<{ id: string }[]>`
    with reservation as (
      insert into reservations (event_id, user_id, seats, seat_count, amount, currency, status, expires_at)
      select ${eventId}, ${userId}, jsonb_agg(jsonb_build_object('number', number, 'section', null, 'row', null,
        'type', null, 'price', ${price}::int, 'currency', 'EUR')), ${seats}, ${seats * price}, 'EUR', 'active',
        now() + interval '10 minutes'
      from unnest(${numbers}::text[]) as number
      returning id
    ),
    held as (
      insert into seats (event_id, number, price, currency, status, reservation_id, held_until)
      select ${eventId}, number, ${price}, 'EUR', 'held', reservation.id, now() + interval '10 minutes'
      from unnest(${numbers}::text[]) as number cross join reservation
    )
    select id from reservation`;
  return { id: row?.id as string, eventId, userId, amount: seats * price };
}

/** As where the hold has lapsed: the seats are for sale again. */
async function loseSeats(sql: Sql, { id }: Held): Promise<void> {
  await sql`
    with lost as (
      update seats set status = 'available', reservation_id = null, held_until = null where reservation_id = ${id}
    )
    update reservations set status = 'expired', expires_at = now() where id = ${id}`;
}

async function countSeats(sql: Sql): Promise<Record<string, number>> {
  const rows = await sql<{ status: string; count: number }[]>`
    select status, count(*)::int as count from seats group by status order by status`;
  return Object.fromEntries(rows.map(row => [row.status, row.count]));
}

async function violations(url: string): Promise<Record<string, number>> {
  const verdicts = await runChecks(url, [bookingCheck]);
  return Object.fromEntries(
    verdicts.filter(one => one.violations > 0).map(({ name, violations }) => [name, violations]),
  );
}

/**
 * What the provider's own books and ours do not agree on: a charge that succeeded has a booking or was given
 * back, never neither and never both. Empty where all is well.
 */
async function findFaults(url: string, sql: Sql): Promise<unknown[]> {
  const rows = await sql`
    select charge.id, charge.status, charge.amount, charge.refunded_amount, bookings.status as booking
    from mock_charges charge
    left join payments on charge_id = charge.id
    left join bookings on payment_id = payments.id
    where case charge.status
      when 'succeeded' then case bookings.status
        when 'confirmed' then charge.refunded_amount = charge.amount
        else charge.refunded_amount <> charge.amount end
      when 'failed' then bookings.status in ('confirmed', 'canceled', 'pending')
      else bookings.status in ('confirmed', 'canceled') end`;
  const broken = await violations(url);
  return [...rows, ...Object.entries(broken)];
}
