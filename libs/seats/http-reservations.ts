import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import { requiredText } from '@claimline/http/fields';
import type { Run } from '@claimline/http/idempotency-rows';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { replyProblem } from '@claimline/http/problem';
import { reply } from '@claimline/http/reply';
import { preferredWaitSeconds, type Router } from '@claimline/http/router';
import { type Env, goneSignal } from '@claimline/http/scope';
import { failedProblem, ticketHttpLimits } from '@claimline/tickets/http';
import type { Context } from 'hono';
import { z } from 'zod';
import { eventParams, reservationParams } from './ids.ts';
import { seatTicketSchema, viewSeatTicket } from './read-ticket.ts';
import { describeRefusal } from './refusal.ts';
import { listUserReservations, readReservation, reservationSchema, toReservation } from './reservation.ts';
import type { Reserved, ReserveVerb } from './reserve.ts';
import { reservationBody, toWish } from './wish.ts';

type House = {
  sql: Sql;
  changes: Changes;
  reserve: ReserveVerb;
  /** A ticket for a request that is made later. */
  issueTicket: (eventId: string) => string;
};

/** Reserving seats, and everything that reads reservations. Letting them go is a matter of their payment too: bookings. */
export function mountReservations(router: Router, house: House) {
  mountReserving(router, house);
  mountHeld(router, house.sql);
}

function mountReserving(router: Router, { changes, reserve, issueTicket }: House) {
  const waitMsOf = (c: Context<Env>) => (preferredWaitSeconds(c, ticketHttpLimits.waitMostS) ?? 0) * 1000;

  function answer(c: Context<Env>, reserved: Reserved) {
    if (reserved.kind === 'refused') return refuse(c, reserved);
    const waitS = preferredWaitSeconds(c, ticketHttpLimits.waitMostS);
    const applied = waitS === null ? undefined : { 'Preference-Applied': `wait=${waitS}` };
    const { state, event } = reserved;
    const { outcome, ticket } = state;
    if (outcome?.status === 'granted')
      return reply(c, 201, toReservation(outcome.reservation), {
        ...applied,
        Location: `/api/reservations/${toReservation(outcome.reservation).id}`,
      });
    if (outcome?.status === 'refused') return refuse(c, { ...outcome, event });
    if (outcome?.status === 'failed') return replyProblem(c, failedProblem(ticket));
    const { body, retryAfter } = viewSeatTicket(state);
    return reply(c, 202, body, {
      ...applied,
      Location: `/api/tickets/${ticket}`,
      'Retry-After': String(retryAfter ?? 1),
    });
  }

  function refuse(c: Context<Env>, refusal: Parameters<typeof describeRefusal>[0] & Pick<Reserved, 'event'>) {
    return replyProblem(c, describeRefusal(refusal, refusal.event, changes.databaseNowMs()));
  }

  router.add(
    {
      method: 'post',
      path: '/api/events/{id}/reservations',
      id: 'reserveSeats',
      tag: 'Reservations',
      summary: 'Reserve seats together, for a while',
      description:
        'All of them or none. Seats by number, each with the version that was seen or without; or the best available by quantity and section.',
      access: 'public',
      params: eventParams,
      headers: z.object({
        prefer: z.string().optional().describe('wait=N (1..30): answer when decided, or after N seconds.'),
      }),
      body: reservationBody,
      idempotent: {
        reference: async ({ params }) => issueTicket(params.id),
        waitMs: ({ c }) => waitMsOf(c),
      },
      answers: {
        201: { description: 'Held, within `Prefer: wait`', schema: reservationSchema },
        202: { description: 'In line', schema: seatTicketSchema },
      },
      problems: [
        ...([
          'event_not_found',
          'seat_not_found',
          'seat_taken',
          'stale_seat',
          'not_on_sale',
          'sold_out',
        ] as const),
        'overloaded',
        'ticket_lost',
      ],
    },
    async ({ c, params, body, run }) => {
      const asked = { userId: body.user_id, wish: toWish(body), fixed: fixedBy(run) };
      return answer(c, await reserve(params.id, asked, waitMsOf(c), goneSignal(c)));
    },
  );
}

/** With an Idempotency-Key, the ticket is what the runs of the request know it by. */
function fixedBy(run: Run | undefined) {
  return run && run.reference !== null ? { ticket: run.reference, run: run.number } : undefined;
}

function mountHeld(router: Router, sql: Sql) {
  router.add(
    {
      method: 'get',
      path: '/api/reservations/{id}',
      id: 'readReservation',
      tag: 'Reservations',
      summary: 'Read a reservation',
      description: 'Its id cannot be guessed; holding it is enough.',
      access: 'public',
      params: reservationParams,
      answers: { 200: { description: 'The reservation', schema: reservationSchema } },
      problems: ['reservation_not_found'],
    },
    async ({ c, params }) => reply(c, 200, toReservation(await readReservation(sql, params.id))),
  );

  router.add(
    {
      method: 'get',
      path: '/api/users/{user_id}/reservations',
      id: 'listUserReservations',
      tag: 'Reservations',
      summary: "A person's reservations, newest first",
      access: 'keyed',
      params: z.object({ user_id: requiredText() }),
      query: z.object(pageQuery),
      answers: {
        200: {
          description: 'A page of reservations',
          schema: z.object({ data: z.array(reservationSchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const before = decodeCursor(cursor, 'number');
      const rows = await listUserReservations(sql, { userId: params.user_id, limit, before });
      return reply(
        c,
        200,
        page(rows, limit, row => row.sequence, toReservation),
      );
    },
  );
}
