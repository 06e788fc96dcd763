import { isUniqueViolation } from '@claimline/db/error';
import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { type NewSeat, type SeatRow, type SeatStatus, seatLimits } from './seat.ts';

const limits = {
  /** Tries to add seats to an event that changes meanwhile, such as by a settle or by seats that somebody else adds. */
  addTries: 20,
} as const;

/** What a seat is right now: a lapsed hold holds nothing. */
export const seatStatusNow = (sql: Sql) =>
  sql`case when status = 'held' and held_until <= now() then 'available' else status end`;

/**
 * Adds seats to an event, all or none, in the order in which they are given; the first are the best.
 *
 * @throws AppError `event_not_found`; `invalid_request` for another currency, a number that is given twice, or more
 *   seats than an event may have; `seat_exists` naming those that are there; `unavailable`
 */
export async function addSeats(sql: Sql, eventId: string, seats: NewSeat[]): Promise<number> {
  checkSeats(seats);
  const currency = seats[0]?.currency as string;
  for (let attempt = 1; attempt <= limits.addTries; attempt++) {
    const row = await tryToAdd(sql, eventId, seats, currency);
    if (!row) throw new AppError('event_not_found', 'event not found');
    if (row.is_stale) continue;
    if (row.added > 0) return row.added;
    if (row.currency !== null && row.currency !== currency)
      throw invalid('seats.0.currency', `must be ${row.currency}, as all seats of this event`);
    if (row.there.length > 0) throw alreadyThere({ extra: { seats: row.there } });
    throw invalid('seats', `would make ${row.total + seats.length}, more than ${seatLimits.eventMost}`);
  }
  throw new AppError('unavailable', 'the event keeps changing, try again', { retryAfterSeconds: 1 });
}

type Tried = { is_stale: boolean; currency: string | null; total: number; there: string[]; added: number };

/**
 * Adds the seats unless something is against it. Stale: the event changed between the look at its seats and the
 * lock, and nothing was done.
 */
async function tryToAdd(
  sql: Sql,
  eventId: string,
  seats: NewSeat[],
  currency: string,
): Promise<Tried | undefined> {
  const column = (value: (seat: NewSeat) => string | number) => seats.map(value);
  try {
    const [row] = await sql<Tried[]>`
      with seen as materialized (select revision from events where id = ${eventId}),
      event as materialized (
        select id, currency, revision is distinct from (select revision from seen) as is_stale
        from events where id = ${eventId} for update
      ),
      had as materialized (select count(*) as total from seats where event_id = (select id from event)),
      given as materialized (
        select * from unnest(
          ${column(seat => seat.number)}::text[], ${column(seat => seat.section ?? '')}::text[],
          ${column(seat => seat.row ?? '')}::text[], ${column(seat => seat.type ?? 'standard')}::text[],
          ${column(seat => seat.price)}::bigint[]
        ) with ordinality as seat (number, section, row_name, type, price, n)
      ),
      there as materialized (
        select number, n from given join seats using (number) where event_id = (select id from event)
      ),
      filled as materialized (
        select section, row_name, max(place) as place from seats
        where event_id = (select id from event) group by section, row_name
      ),
      added as (
        insert into seats (event_id, number, section, row_name, place, type, price, currency)
        select event.id, number, section, row_name,
          coalesce(filled.place, 0) + row_number() over (partition by section, row_name order by n),
          type, price, ${currency}
        from event cross join given left join filled using (section, row_name), had
        where not event.is_stale and coalesce(event.currency, ${currency}) = ${currency}
          and had.total + ${seats.length} <= ${seatLimits.eventMost}
          and not exists (select from there)
        order by n
        returning 1
      ),
      changed as (
        update events set currency = ${currency}, revision = revision + 1, updated_at = now()
        where id = (select id from event) and exists (select from added)
      )
      select event.is_stale, event.currency, had.total, array(select number from there order by n) as there,
        (select count(*) from added) as added
      from event, had`;
    return row;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw alreadyThere({ cause: error });
  }
}

function alreadyThere(more: { extra?: { seats: string[] }; cause?: unknown }): AppError {
  return new AppError('seat_exists', 'the event has seats of these numbers already', more);
}

function checkSeats(seats: NewSeat[]) {
  const numbers = new Map<string, number>();
  for (const [i, { number, currency }] of seats.entries()) {
    if (numbers.has(number)) throw invalid(`seats.${i}.number`, 'is given twice');
    numbers.set(number, i);
    if (currency !== seats[0]?.currency)
      throw invalid(`seats.${i}.currency`, 'must be the same for all seats of an event');
  }
}

function invalid(path: string, message: string): AppError {
  return new AppError('invalid_request', `invalid request: ${path} ${message}`, {
    errors: [{ path, message }],
  });
}

/** An event's seats in the order in which they were added, after the one with that id. Error: `event_not_found`. */
export async function listSeats(
  sql: Sql,
  eventId: string,
  {
    limit,
    after,
    section,
    status,
  }: {
    limit: number;
    after: number | null;
    section: string | undefined;
    status: SeatStatus | undefined;
  },
): Promise<SeatRow[]> {
  const rows = await sql<SeatRow[]>`
    select id, number, section, row_name as row, type, price, currency, ${seatStatusNow(sql)} as status, version
    from seats
    where event_id = ${eventId} and id > ${after ?? 0}
      and ${section === undefined ? sql`true` : sql`section = ${section}`}
      and ${status === undefined ? sql`true` : sql`${seatStatusNow(sql)} = ${status}`}
    order by id limit ${limit + 1}`;
  if (rows.length === 0 && after === null) {
    const [event] = await sql`select from events where id = ${eventId}`;
    if (!event) throw new AppError('event_not_found', 'event not found');
  }
  return rows;
}

/**
 * Takes seats out of the sale, or puts them back, all or none.
 * Errors: `event_not_found`, `seat_not_found` naming those that are not there, `seat_taken` naming those that are
 * held or booked.
 */
export async function blockSeats(
  sql: Sql,
  eventId: string,
  numbers: string[],
  isBlocked: boolean,
): Promise<void> {
  const [row] = await sql<{ event: string | null; missing: string[]; taken: string[] }[]>`
    with locked as materialized (
      select *, status = 'booked' or coalesce(held_until > now(), false) as is_taken from seats
      where event_id = ${eventId} and number = any (${numbers}) order by id for update
    ),
    sound as (
      select from (select count(*) as found, bool_or(is_taken) as is_taken from locked) all_of
      where found = ${numbers.length} and not is_taken
    ),
    changed as (
      update seats
      set status = ${isBlocked ? 'blocked' : 'available'}, reservation_id = null, held_until = null,
        version = version + 1
      where id = any (array(select id from locked)) and exists (select from sound)
        and status is distinct from ${isBlocked ? 'blocked' : 'available'}
    )
    select
      (select id from events where id = ${eventId}) as event,
      array(select number from unnest(${numbers}::text[]) as number where number not in (select number from locked)) as missing,
      array(select number from locked where is_taken order by id) as taken`;
  if (!row?.event) throw new AppError('event_not_found', 'event not found');
  if (row.missing.length > 0)
    throw new AppError('seat_not_found', 'the event has no such seats', { extra: { seats: row.missing } });
  if (row.taken.length > 0)
    throw new AppError('seat_taken', 'somebody has these seats', { extra: { seats: row.taken } });
}
