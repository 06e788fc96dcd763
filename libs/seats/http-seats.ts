import type { Sql } from '@claimline/db/pool';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { z } from 'zod';
import { eventParams } from './ids.ts';
import { labelField, newSeatsBody, numberField, seatLimits, seatSchema, seatStatuses } from './seat.ts';
import { addSeats, blockSeats, listSeats } from './seats.ts';

/** Adding seats, the seat map, and taking seats out of the sale. */
export function mountSeats(router: Router, { sql }: { sql: Sql }) {
  mountMap(router, sql);
  mountChanges(router, sql);
}

function mountChanges(router: Router, sql: Sql) {
  router.add(
    {
      method: 'post',
      idempotent: 'transaction',
      path: '/api/events/{id}/seats',
      id: 'addSeats',
      tag: 'Events',
      summary: 'Add seats to an event, the best first',
      description:
        'All of them or none. Seats of one section and row are neighbors in the order in which they are added.',
      access: 'keyed',
      params: eventParams,
      body: newSeatsBody,
      answers: { 201: { description: 'Added', schema: z.object({ created: z.int() }) } },
      problems: ['event_not_found', 'seat_exists'],
    },
    async ({ c, params, body, sql }) =>
      reply(c, 201, { created: await addSeats(sql, params.id, body.seats) }),
  );

  router.add(
    {
      method: 'patch',
      path: '/api/events/{id}/seats',
      id: 'changeSeats',
      tag: 'Events',
      summary: 'Take seats out of the sale, or put them back',
      access: 'keyed',
      params: eventParams,
      body: z.strictObject({
        seats: z
          .array(numberField(), { error: 'must be a list of seat numbers' })
          .min(1, 'must not be empty')
          .max(seatLimits.addedMost, `must have at most ${seatLimits.addedMost} seats`)
          .transform(numbers => [...new Set(numbers)]),
        status: z.enum(['available', 'blocked'], { error: 'must be available or blocked' }),
      }),
      answers: { 200: { description: 'Changed', schema: z.object({ changed: z.int() }) } },
      problems: ['event_not_found', 'seat_not_found', 'seat_taken'],
    },
    async ({ c, params, body }) => {
      await blockSeats(sql, params.id, body.seats, body.status === 'blocked');
      return reply(c, 200, { changed: body.seats.length });
    },
  );
}

function mountMap(router: Router, sql: Sql) {
  router.add(
    {
      method: 'get',
      path: '/api/events/{id}/seats',
      id: 'listSeats',
      tag: 'Events',
      summary: "An event's seats with their state and version",
      description: 'A lapsed hold holds nothing: the seat is available at once.',
      access: 'public',
      params: eventParams,
      query: z.object({
        ...pageQuery,
        section: labelField().optional(),
        status: z.enum(seatStatuses, { error: `must be one of ${seatStatuses.join(', ')}` }).optional(),
      }),
      answers: {
        200: {
          description: 'Seats in the order in which they were added',
          schema: z.object({ data: z.array(seatSchema), next_cursor: z.string().nullable() }),
        },
      },
      problems: ['event_not_found'],
    },
    async ({ c, params, query: { limit, cursor, section, status } }) => {
      const after = decodeCursor(cursor, 'number');
      const rows = await listSeats(sql, params.id, { limit, after, section, status });
      return reply(
        c,
        200,
        page(
          rows,
          limit,
          row => row.id,
          ({ id: _, ...seat }) => seat,
        ),
      );
    },
  );
}
