import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import {
  type EventChange,
  type EventRow,
  type EventStatus,
  eventColumns,
  eventStatus,
  type NewEvent,
} from './event.ts';
import { sweepReservations } from './sweep.ts';

const limits = {
  /** Tries to delete an event that is reserved meanwhile. */
  deleteTries: 5,
  /** Bites of the sweep that whoever cancels an event waits for; the workers' sweep frees the rest. */
  cancelBites: 10,
} as const;

const notFound = () => new AppError('event_not_found', 'event not found');

export async function createEvent(sql: Sql, input: NewEvent): Promise<EventRow> {
  const values = {
    name: input.name,
    venue: input.venue ?? null,
    starts_at: input.starts_at,
    on_sale_at: input.on_sale_at ?? null,
    reservation_ttl_seconds: input.reservation_ttl_seconds,
    metadata: sql.json((input.metadata ?? {}) as never),
  };
  const [row] = await sql<EventRow[]>`insert into events ${sql(values)} returning ${eventColumns(sql)}`;
  return row as EventRow;
}

/** How many seats an event has, by what they are right now. */
export type SeatCounts = { total: number; available: number; held: number; booked: number; blocked: number };

/** An event with the counts of its seats. Error: `event_not_found`. */
export async function readEvent(sql: Sql, id: string): Promise<EventRow & { seats: SeatCounts }> {
  const [row] = await sql<(EventRow & { seats: SeatCounts })[]>`
    select ${eventColumns(sql)}, (
      select json_build_object(
        'total', count(*),
        'available', count(*) filter (where status = 'available' or held_until <= now()),
        'held', count(*) filter (where held_until > now()),
        'booked', count(*) filter (where status = 'booked'),
        'blocked', count(*) filter (where status = 'blocked')
      ) from seats where event_id = events.id
    ) as seats
    from events where id = ${id}`;
  if (!row) throw notFound();
  return row;
}

/** Where a page of events begins: after this one, in order of their start, which is sent as text: a time has microseconds. */
export type After = { startsAt: string; id: string } | null;

export type Filter = {
  q?: string | undefined;
  status?: EventStatus | undefined;
  from?: string | undefined;
  to?: string | undefined;
};

/** An event of a list, with its start to the microsecond: what stands after it is after that. */
export type ListedEvent = EventRow & { starts_exactly: string };

/** Events in order of their start, one more than `limit` when there are more. */
export async function listEvents(
  sql: Sql,
  { q, status, from, to }: Filter,
  { limit, after }: { limit: number; after: After },
): Promise<ListedEvent[]> {
  const like = q === undefined ? '' : `%${q.replaceAll(/[\\%_]/g, '\\$&')}%`;
  return sql<ListedEvent[]>`
    select ${eventColumns(sql)}, to_char(starts_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as starts_exactly
    from events
    where ${q === undefined ? sql`true` : sql`(name ilike ${like} or venue ilike ${like})`}
      and ${from === undefined ? sql`true` : sql`starts_at >= ${from}`}
      and ${to === undefined ? sql`true` : sql`starts_at <= ${to}`}
      and ${status === undefined ? sql`true` : sql`${eventStatus(sql)} = ${status}`}
      and ${after === null ? sql`true` : sql`(starts_at, id) > (${after.startsAt}::text::timestamptz, ${after.id}::uuid)`}
    order by starts_at, id limit ${limit + 1}`;
}

/**
 * Changes an event; one that is canceled stays so, and what was held of it is let go, a large house in the next
 * minute. Error: `event_not_found`.
 */
export async function changeEvent(sql: Sql, id: string, change: EventChange): Promise<void> {
  const { status, metadata, ...plain } = change;
  const given = Object.entries(plain).filter(([, value]) => value !== undefined);
  const sets = [
    sql`updated_at = now(), revision = revision + 1`,
    ...given.map(([column, value]) => sql`${sql(column)} = ${value as string}`),
    ...(status === undefined ? [] : [sql`is_canceled = true`]),
    ...(metadata === undefined ? [] : [sql`metadata = ${sql.json(metadata as never)}`]),
  ];
  const { count } = await sql`
    update events set ${sets.flatMap((set, index) => (index === 0 ? [set] : [sql`, `, set]))} where id = ${id}`;
  if (count === 0) throw notFound();
  // It is canceled whatever becomes of this: the workers' sweep frees what is left.
  if (status !== undefined) await sweepReservations(sql, limits.cancelBites).catch(() => {});
}

/**
 * Deletes an event that nobody has a seat of. Errors: `event_not_found`, `event_has_reservations`.
 */
export async function deleteEvent(sql: Sql, id: string): Promise<void> {
  for (let attempt = 1; attempt <= limits.deleteTries; attempt++) {
    // Whoever reserved while this waited for the lock has raised the revision: then nothing is deleted.
    const { count } = await sql`
      delete from events
      where id = ${id} and revision = (select revision from events where id = ${id}) and not exists (
        select from reservations
        where event_id = ${id} and (status = 'booked' or (status = 'active' and expires_at > now()))
      )`;
    if (count > 0) return;
    const [row] = await sql<{ used: boolean }[]>`
      select exists (
        select from reservations
        where event_id = ${id} and (status = 'booked' or (status = 'active' and expires_at > now()))
      ) as used
      from events where id = ${id}`;
    if (!row) throw notFound();
    if (row.used)
      throw new AppError(
        'event_has_reservations',
        'seats of this event are held or booked: it can be canceled, not deleted',
      );
  }
  throw new AppError('unavailable', 'the event keeps changing, try again', { retryAfterSeconds: 1 });
}
