import { type Load, overloadedProblem } from '@claimline/http/load';
import { replyProblem } from '@claimline/http/problem';
import { reply, replyRaw } from '@claimline/http/reply';
import { preferredWaitSeconds, type Router } from '@claimline/http/router';
import { goneSignal, header } from '@claimline/http/scope';
import { z } from 'zod';
import type { ClaimVerb } from './claim.ts';
import { claimHttpLimits } from './http-claim.ts';
import type { Outcomes } from './outcomes.ts';
import type { TicketReader } from './read-ticket.ts';
import { streamTicket } from './stream-ticket.ts';
import { ticketSchema, viewTicket } from './ticket-view.ts';

const ticketParams = z.object({ ticket: z.string() });

/** Reading a ticket, waiting on it, following it. `stopping` ends the streams. */
export function mountTickets(
  router: Router,
  {
    outcomes,
    reader,
    verb,
    load,
    stopping,
  }: { outcomes: Outcomes; reader: TicketReader; verb: ClaimVerb; load: Load; stopping: AbortSignal },
) {
  router.add(
    {
      method: 'get',
      path: '/api/tickets/{ticket}',
      id: 'readTicket',
      tag: 'Claims',
      summary: 'Read a ticket, or wait for its outcome',
      access: 'public',
      params: ticketParams,
      query: z.object({
        wait: z
          .string()
          .regex(/^\d{1,6}$/, 'must be a whole number of seconds')
          .transform(Number)
          .optional()
          .describe('Long poll: seconds to wait for the outcome, at most 30.'),
      }),
      answers: {
        200: { description: 'The ticket', schema: ticketSchema },
        304: { description: 'Unchanged' },
      },
      problems: ['ticket_not_found', 'ticket_lost'],
    },
    async ({ c, params, query }) => {
      let state = await reader.read(params.ticket);
      const waitS = Math.min(
        query.wait ?? preferredWaitSeconds(c, claimHttpLimits.waitMostS) ?? 0,
        claimHttpLimits.waitMostS,
      );
      if (!state.decided && waitS > 0) {
        await verb.waitFor(params.ticket, performance.now() + waitS * 1000, goneSignal(c));
        state = await reader.read(params.ticket);
      }
      const { body, retryAfter } = viewTicket(state);
      const etag = `W/"${body.status}-${body.position ?? body.decided_at ?? 0}"`;
      const headers = {
        ETag: etag,
        'Cache-Control': 'private, no-cache',
        ...(retryAfter !== null && { 'Retry-After': String(retryAfter) }),
      };
      if (header(c, 'if-none-match') === etag) return replyRaw(c, 304, null, headers);
      return reply(c, 200, body, headers);
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/tickets/{ticket}/events',
      id: 'streamTicket',
      tag: 'Claims',
      summary: 'Follow a ticket by server-sent events',
      access: 'public',
      params: ticketParams,
      answers: {
        200: { description: 'Events of type `ticket`', schema: z.string(), type: 'text/event-stream' },
      },
      problems: ['ticket_not_found', 'ticket_lost'],
    },
    async ({ c, params }) => {
      await reader.read(params.ticket); // An unknown ticket is an ordinary error, not a stream.
      const stay = load.stay();
      if (!stay) return replyProblem(c, overloadedProblem());
      return streamTicket(c, params.ticket, { reader, outcomes }, stopping, stay.leave);
    },
  );
}
