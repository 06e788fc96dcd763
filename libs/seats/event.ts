import type { Sql } from '@claimline/db/pool';
import { fieldLimits, metadata, requiredInteger, requiredText, time } from '@claimline/http/fields';
import { z } from 'zod';
import { eventIdText } from './ids.ts';

export const eventStatuses = ['upcoming', 'on_sale', 'sold_out', 'canceled', 'past'] as const;
export type EventStatus = (typeof eventStatuses)[number];

const TTL_MOST_S = 86_400;
const ORDER = 'must be before starts_at';

const fields = {
  name: requiredText(),
  starts_at: z.string({ error: 'is required' }).pipe(time()),
  venue: requiredText().nullable(),
  on_sale_at: time().nullable().describe('When the sale opens; null: with the first seats.'),
  reservation_ttl_seconds: requiredInteger(1, TTL_MOST_S),
  metadata: metadata(),
};

/** The body of a new event. */
export const newEventBody = z
  .strictObject({
    ...{ name: fields.name, starts_at: fields.starts_at, venue: fields.venue.optional() },
    ...{ on_sale_at: fields.on_sale_at.optional(), metadata: fields.metadata.optional() },
    reservation_ttl_seconds: fields.reservation_ttl_seconds.default(600),
  })
  .refine(isInOrder, { path: ['on_sale_at'], message: ORDER });

/** A change of an event. */
export const eventChangeBody = z
  .strictObject({
    ...{ name: fields.name.optional(), starts_at: fields.starts_at.optional() },
    ...{ venue: fields.venue.optional(), on_sale_at: fields.on_sale_at.optional() },
    reservation_ttl_seconds: fields.reservation_ttl_seconds.optional(),
    metadata: fields.metadata.optional(),
    status: z
      .literal('canceled', { error: 'must be canceled: the other states follow the sale' })
      .optional()
      .describe('Ends the sale for good and lets go of what is held. Bookings stay, to be refunded.'),
  })
  .refine(isInOrder, { path: ['on_sale_at'], message: ORDER });

export type NewEvent = z.output<typeof newEventBody>;
export type EventChange = z.output<typeof eventChangeBody>;

function isInOrder({
  starts_at,
  on_sale_at,
}: {
  starts_at?: string | undefined;
  on_sale_at?: string | null | undefined;
}) {
  return !starts_at || !on_sale_at || Date.parse(on_sale_at) < Date.parse(starts_at);
}

/** An event's row as read for people. */
export type EventRow = {
  id: string;
  name: string;
  venue: string | null;
  starts_at: Date;
  on_sale_at: Date | null;
  reservation_ttl_seconds: number;
  currency: string | null;
  metadata: Record<string, unknown>;
  status: EventStatus;
  created_at: Date;
  updated_at: Date;
};

/** Whether an event has a seat that somebody could have right now. Two looks into an index, however many seats. */
export const hasSeatsLeft = (sql: Sql) => sql`(
  exists (select from seats where event_id = events.id and status in ('available', 'held') and held_until is null)
  or exists (select from seats where event_id = events.id and status in ('available', 'held') and held_until <= now())
)`;

/** Where the sale stands, by the database's clock. An event without seats has nothing to sell yet. */
export const eventStatus = (sql: Sql) => sql`case
  when is_canceled then 'canceled'
  when starts_at <= now() then 'past'
  when on_sale_at > now() then 'upcoming'
  when ${hasSeatsLeft(sql)} then 'on_sale'
  when exists (select from seats where event_id = events.id) then 'sold_out'
  else 'upcoming'
end`;

export const eventColumns = (sql: Sql) => sql`
  id, name, venue, starts_at, on_sale_at, reservation_ttl_seconds, currency, metadata, created_at, updated_at,
  ${eventStatus(sql)} as status`;

/** An event as the API shows it. */
export const eventSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    venue: z.string().nullable(),
    starts_at: z.iso.datetime(),
    on_sale_at: z.iso.datetime().nullable(),
    reservation_ttl_seconds: z.int().max(fieldLimits.integerMost),
    currency: z.string().nullable().describe('Of all its seats; null before there are any.'),
    status: z
      .enum(eventStatuses)
      .describe(
        'upcoming: the sale has not begun, or there are no seats yet. sold_out: no seat is free right now.',
      ),
    metadata: z.record(z.string(), z.unknown()),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Event' });

export function toEvent(row: EventRow): z.output<typeof eventSchema> {
  return {
    ...row,
    id: eventIdText(row.id),
    starts_at: row.starts_at.toISOString(),
    on_sale_at: row.on_sale_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
