import { type Load, overloadedProblem } from '@claimline/http/load';
import { replyProblem } from '@claimline/http/problem';
import { reply, replyRaw } from '@claimline/http/reply';
import { preferredWaitSeconds, type Router } from '@claimline/http/router';
import { goneSignal, header } from '@claimline/http/scope';
import type { Problem } from '@claimline/kernel/error';
import { z } from 'zod';
import { findTicket, type TicketSource } from './source.ts';
import { type Following, streamTicket } from './stream.ts';

export const ticketHttpLimits = {
  /** The longest wait for an outcome that a caller may ask for. */
  waitMostS: 30,
} as const;

/** What whoever made a request is told whose job is dead: no outcome, since an operator may try it again. */
export function failedProblem(ticket: string): Problem {
  return { code: 'internal', message: 'the request failed on our side', extra: { ticket } };
}

const ticketParams = z.object({ ticket: z.string() });

/** Where tickets are, and what streams of them need. */
export type TicketHouse = { sources: TicketSource[]; load: Load } & Omit<Following, 'source' | 'onEnd'>;

/** Reading a ticket of any kind, waiting on it, following it. `stopping` ends the streams. */
export function mountTickets(router: Router, { sources, load, ...streaming }: TicketHouse) {
  const schema = z.union(sources.map(source => source.schema));
  router.add(
    {
      method: 'get',
      path: '/api/tickets/{ticket}',
      id: 'readTicket',
      tag: 'Tickets',
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
        200: { description: 'The ticket', schema },
        304: { description: 'Unchanged' },
      },
      problems: ['ticket_not_found', 'ticket_lost'],
    },
    async ({ c, params: { ticket }, query }) => {
      let { source, seen } = await findTicket(sources, ticket);
      const { waitMostS } = ticketHttpLimits;
      const preferredS = query.wait === undefined ? preferredWaitSeconds(c, waitMostS) : null;
      const waitS = Math.min(query.wait ?? preferredS ?? 0, waitMostS);
      if (seen.retryAfter !== null && waitS > 0) {
        if (!source.isHeard(ticket)) await load.rest(() => source.wait(ticket, waitS * 1000, goneSignal(c)));
        ({ source, seen } = await findTicket([source], ticket));
      }
      const tag = `"${seen.version}"`;
      const headers = {
        ETag: `W/${tag}`,
        'Cache-Control': 'private, no-cache',
        ...(seen.retryAfter !== null && { 'Retry-After': String(seen.retryAfter) }),
        ...(preferredS !== null && { 'Preference-Applied': `wait=${preferredS}` }),
      };
      if (isKnown(tag, header(c, 'if-none-match'))) return replyRaw(c, 304, null, headers);
      return reply(c, 200, seen.body, headers);
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/tickets/{ticket}/events',
      id: 'streamTicket',
      tag: 'Tickets',
      summary: 'Follow a ticket by server-sent events',
      access: 'public',
      params: ticketParams,
      answers: {
        200: {
          description: 'Events of type `ticket`; a last `problem` where the place in line is lost meanwhile',
          schema: z.string(),
          type: 'text/event-stream',
        },
      },
      problems: ['ticket_not_found', 'ticket_lost'],
    },
    async ({ c, params: { ticket } }) => {
      // An unknown ticket is an ordinary error, not a stream.
      const { source } = await findTicket(sources, ticket);
      // Nobody reads the body of an answer to HEAD, so a stream would never end.
      if (c.req.method === 'HEAD') return replyRaw(c, 200, null, { 'Content-Type': 'text/event-stream' });
      const stay = load.stay();
      if (!stay) return replyProblem(c, overloadedProblem());
      // However the connection ends, also where the stream does not hear of it.
      c.env.outgoing.once('close', stay.leave);
      return streamTicket(c, ticket, { source, ...streaming, onEnd: stay.leave });
    },
  );
}

/** Whether If-None-Match names this opaque tag, in a list or by `*`; strong or weak makes no difference (RFC 9110, 13.1.2). */
function isKnown(tag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.trim() === '*' || (ifNoneMatch.match(/"[^"]*"/g)?.includes(tag) ?? false);
}
