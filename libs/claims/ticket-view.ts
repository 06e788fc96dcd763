import { describePlace, retryAfterSeconds } from '@claimline/tickets/line';
import type { TicketSource } from '@claimline/tickets/source';
import type { Tickets } from '@claimline/tickets/ticket';
import { z } from 'zod';
import type { Outcomes } from './outcomes.ts';
import type { TicketReader, TicketState } from './read-ticket.ts';

/** A ticket as the API shows it. */
export const ticketSchema = z
  .object({
    ticket: z.string(),
    coupon_name: z.string(),
    user_id: z.string(),
    status: z.enum(['queued', 'granted', 'refused', 'failed']),
    reason: z
      .enum(['already_claimed', 'sold_out', 'not_started', 'ended', 'paused', 'coupon_not_found'])
      .optional(),
    position: z.int().optional().describe('1 is next.'),
    ahead: z.int().optional(),
    eta: z.object({ known: z.boolean(), seconds: z.int().optional() }),
    claim: z.object({ claim_id: z.string(), sequence: z.int(), code: z.string().optional() }).optional(),
    deduplicated: z.literal(true).optional().describe('This person was in line already.'),
    created_at: z.iso.datetime(),
    decided_at: z.iso.datetime().optional(),
  })
  .meta({ id: 'Ticket' });

export type TicketView = z.output<typeof ticketSchema>;

/** Claims' tickets, for the calls that read tickets of every kind. */
export function createTicketSource({
  reader,
  outcomes,
  tickets,
}: {
  reader: TicketReader;
  outcomes: Outcomes;
  tickets: Tickets;
}): TicketSource {
  return {
    schema: ticketSchema,
    async read(ticket) {
      if (!tickets.read(ticket)) return null;
      const seen = viewTicket(await reader.read(ticket));
      const { status, position, decided_at } = seen.body;
      return { ...seen, version: `${status}-${position ?? decided_at ?? 0}` };
    },
    isHeard: ticket => outcomes.get(ticket) !== undefined,
    wait: outcomes.wait,
  };
}

/** The ticket's body, and Retry-After in seconds while it is queued. */
export function viewTicket(state: TicketState): { body: TicketView; retryAfter: number | null } {
  const created_at = isoTime(state.createdAtMs);
  const base = { ticket: state.ticket, coupon_name: state.couponName, user_id: state.userId };
  if (state.decided === null) {
    const place = state.line === null ? { eta: { known: false } } : describePlace(state.line, state.state);
    return {
      body: Object.assign(base, { status: 'queued' as const }, place, { created_at }),
      retryAfter: retryAfterSeconds(state.line, state.state),
    };
  }
  const decision = state.decided;
  return {
    body: {
      ...base,
      status: decision.status,
      ...(decision.status === 'refused' && { reason: decision.reason }),
      eta: { known: true, seconds: 0 },
      ...(decision.status === 'granted' && {
        claim: {
          claim_id: decision.claimId,
          sequence: decision.sequence,
          ...(decision.code !== undefined && { code: decision.code }),
        },
      }),
      created_at,
      decided_at: isoTime(decision.decidedAtMs),
    },
    retryAfter: null,
  };
}

/** Those who arrive together have the same millisecond, and formatting it is 4 % of an answer. */
let lastMs = Number.NaN;
let lastText = '';
function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}
