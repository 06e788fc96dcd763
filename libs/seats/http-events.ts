import type { Sql } from '@claimline/db/pool';
import { isStorable, time } from '@claimline/http/fields';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply, replyRaw } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';
import { eventChangeBody, eventSchema, eventStatuses, newEventBody, toEvent } from './event.ts';
import {
  type After,
  changeEvent,
  createEvent,
  deleteEvent,
  type ListedEvent,
  listEvents,
  readEvent,
} from './events.ts';
import { eventParams } from './ids.ts';

const countedEventSchema = eventSchema
  .extend({
    seats: z.object({
      ...{ total: z.int(), available: z.int(), held: z.int(), booked: z.int(), blocked: z.int() },
    }),
  })
  .meta({ id: 'EventWithCounts' });

const SEARCH_MOST = 255;

/** Creating, changing, deleting, reading and finding events. */
export function mountEvents(
  router: Router,
  { sql, forget }: { sql: Sql; forget: (eventId: string) => void },
) {
  const read = async (id: string) => {
    const { seats, ...row } = await readEvent(sql, id);
    return { ...toEvent(row), seats };
  };
  mountWriting(router, { sql, forget, read });
  mountReading(router, { sql, read });
}

type Read = (id: string) => Promise<unknown>;

function mountWriting(
  router: Router,
  { sql, forget, read }: { sql: Sql; forget: (eventId: string) => void; read: Read },
) {
  router.add(
    {
      method: 'post',
      idempotent: 'transaction',
      path: '/api/events',
      id: 'createEvent',
      tag: 'Events',
      summary: 'Create an event',
      access: 'keyed',
      body: newEventBody,
      answers: { 201: { description: 'The event', schema: countedEventSchema } },
    },
    async ({ c, body, sql }) => {
      const event = toEvent(await createEvent(sql, body));
      const seats = { total: 0, available: 0, held: 0, booked: 0, blocked: 0 };
      return reply(c, 201, { ...event, seats }, { Location: `/api/events/${event.id}` });
    },
  );

  router.add(
    {
      method: 'patch',
      path: '/api/events/{id}',
      id: 'changeEvent',
      tag: 'Events',
      summary: 'Change an event, or cancel it',
      access: 'keyed',
      params: eventParams,
      body: eventChangeBody,
      answers: { 200: { description: 'The event', schema: countedEventSchema } },
      problems: ['event_not_found'],
    },
    async ({ c, params: { id }, body }) => {
      await checkOrder(sql, id, body);
      await changeEvent(sql, id, body);
      forget(id); // The notification is for the other processes: here it may come a moment later.
      return reply(c, 200, await read(id));
    },
  );

  router.add(
    {
      method: 'delete',
      path: '/api/events/{id}',
      id: 'deleteEvent',
      tag: 'Events',
      summary: 'Delete an event of which nothing is held or booked',
      access: 'keyed',
      params: eventParams,
      answers: { 204: { description: 'It is gone, with its seats' } },
      problems: ['event_not_found', 'event_has_reservations'],
    },
    async ({ c, params: { id } }) => {
      await deleteEvent(sql, id);
      forget(id);
      return replyRaw(c, 204, null, {});
    },
  );
}

/** The sale of an event that is changed in one of the two times only begins before it, too. */
async function checkOrder(
  sql: Sql,
  id: string,
  change: { starts_at?: string | undefined; on_sale_at?: string | null | undefined },
) {
  if (change.starts_at === undefined && change.on_sale_at === undefined) return;
  const now = await readEvent(sql, id);
  const startsAtMs = change.starts_at ? Date.parse(change.starts_at) : now.starts_at.getTime();
  const opens = change.on_sale_at === undefined ? (now.on_sale_at?.toISOString() ?? null) : change.on_sale_at;
  if (opens === null || Date.parse(opens) < startsAtMs) return;
  const path = change.on_sale_at === undefined ? 'starts_at' : 'on_sale_at';
  const message = path === 'starts_at' ? 'must be after on_sale_at' : 'must be before starts_at';
  throw new AppError('invalid_request', `invalid request: ${path} ${message}`, {
    errors: [{ path, message }],
  });
}

function mountReading(router: Router, { sql, read }: { sql: Sql; read: Read }) {
  router.add(
    {
      method: 'get',
      path: '/api/events',
      id: 'listEvents',
      tag: 'Events',
      summary: 'Find events, in order of their start',
      access: 'public',
      query: z.object({
        ...pageQuery,
        q: z
          .string()
          .max(SEARCH_MOST, `exceeds maximum length of ${SEARCH_MOST}`)
          .refine(isStorable, 'contains a character that cannot be stored')
          .optional()
          .describe('A part of the name or the venue, in whichever letter case.'),
        status: z.enum(eventStatuses, { error: `must be one of ${eventStatuses.join(', ')}` }).optional(),
        from: time().optional().describe('Starts then or later.'),
        to: time().optional().describe('Starts then or earlier.'),
      }),
      answers: {
        200: {
          description: 'A page of events',
          schema: z.object({ data: z.array(eventSchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    async ({ c, query: { limit, cursor, ...filter } }) => {
      const rows = await listEvents(sql, filter, { limit, after: readAfter(cursor) });
      const keyOf = ({ starts_exactly, id }: ListedEvent) => `${starts_exactly} ${id}`;
      const toItem = ({ starts_exactly: _, ...event }: ListedEvent) => toEvent(event);
      return reply(c, 200, page(rows, limit, keyOf, toItem));
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/events/{id}',
      id: 'readEvent',
      tag: 'Events',
      summary: 'Read an event, with how many seats are left',
      access: 'public',
      params: eventParams,
      answers: { 200: { description: 'The event', schema: countedEventSchema } },
      problems: ['event_not_found'],
    },
    async ({ c, params }) => reply(c, 200, await read(params.id)),
  );
}

const AFTER = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

function readAfter(cursor: string | undefined): After {
  const key = decodeCursor(cursor, 'string');
  if (key === null) return null;
  const [, startsAt, id] = AFTER.exec(key) ?? [];
  if (startsAt === undefined || id === undefined || Number.isNaN(Date.parse(startsAt)))
    throw new AppError('invalid_request', 'invalid request: cursor is not a cursor of this list', {
      errors: [{ path: 'cursor', message: 'is not a cursor of this list' }],
    });
  return { startsAt, id };
}
