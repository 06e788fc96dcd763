import { isTransient } from '@claimline/db/error';
import { AppError } from '@claimline/kernel/error';
import { isQueueAway } from '@claimline/queue/away';
import type { Engine } from '@claimline/queue/engine';
import { retryAfterSeconds } from '@claimline/tickets/line';
import { createTicketSearch } from '@claimline/tickets/search';
import type { TicketSource } from '@claimline/tickets/source';
import type { Tickets } from '@claimline/tickets/ticket';
import { z } from 'zod';
import { eventIdText } from './ids.ts';
import { laneOf, requestsOf } from './job.ts';
import type { Line, Place } from './line.ts';
import type { Outcome, Outcomes } from './outcomes.ts';
import { reservationSchema, toReservation } from './reservation.ts';

const limits = {
  /** Jobs looked at for a ticket. */
  jobsMost: 5000,
} as const;

/** The ticket of a request for seats, as the API shows it. */
export const seatTicketSchema = z
  .object({
    ticket: z.string(),
    event_id: z.string(),
    user_id: z.string(),
    status: z.enum(['queued', 'granted', 'refused', 'failed']),
    reason: z
      .enum(['event_not_found', 'not_on_sale', 'seat_not_found', 'seat_taken', 'stale_seat', 'sold_out'])
      .optional(),
    seats: z.array(z.string()).optional().describe('The numbers of the seats for which it was refused.'),
    eta: z.object({ known: z.boolean(), seconds: z.int().optional() }),
    reservation: reservationSchema.optional(),
    created_at: z.iso.datetime(),
    decided_at: z.iso.datetime().optional(),
  })
  .meta({ id: 'ReservationTicket' });

/** A ticket as it stands; without an outcome it is in line. */
export type SeatTicket = {
  ticket: string;
  eventId: string;
  createdAtMs: number;
  userId: string;
  outcome: Outcome | undefined;
  /** Of one that this process let in line. */
  place?: Place | undefined;
};

type House = { engine: Engine; tickets: Tickets; outcomes: Outcomes; line: Line };

/**
 * Reads tickets of requests for seats: what this process has in line, else Postgres, which knows every
 * outcome, else the queue. Where these cannot be asked now, it is in line as far as anybody has heard, if this
 * process let it in.
 */
export function createSeatTicketReader({ engine, tickets, outcomes, line }: House) {
  const findInQueue = createTicketSearch(async eventId => {
    const { jobs, isComplete } = await engine.listUndecided(laneOf(eventId), limits.jobsMost);
    return { inLine: requestsOf(jobs, eventId), isComplete };
  });

  async function lookFor(ticket: string, eventId: string): Promise<Pick<SeatTicket, 'userId' | 'outcome'>> {
    const outcome = await outcomes.read(ticket);
    if (outcome) return { userId: outcome.userId, outcome };
    const queued = await findInQueue(eventId, ticket);
    // Decided between the two looks, or truly nowhere.
    const late = await outcomes.read(ticket);
    if (late) return { userId: late.userId, outcome: late };
    if (!queued) throw new AppError('ticket_lost', 'the place in line of this ticket was lost, ask again');
    return { userId: queued.userId, outcome: undefined };
  }

  /** Null for a ticket of another kind. Error: `ticket_lost`. */
  return async (ticket: string): Promise<SeatTicket | null> => {
    const issued = tickets.read(ticket);
    if (!issued) return null;
    const { subjectId: eventId, createdAtMs } = issued;
    const base = { ticket, eventId, createdAtMs };
    const place = line.find(ticket);
    const inLine = place && { ...base, userId: place.userId, outcome: undefined, place };
    if (inLine && place.isSure && !outcomes.isHeard(ticket)) return inLine;
    try {
      const found = await lookFor(ticket, eventId);
      if (found.outcome) line.leave(ticket);
      return { ...base, ...found, place };
    } catch (error) {
      if (inLine && isAway(error)) return inLine;
      throw error;
    }
  };
}

/** Nothing was found out, and may be later. */
function isAway(error: unknown): boolean {
  return (
    isTransient(error) ||
    isQueueAway(error) ||
    (error instanceof AppError && error.problem.code === 'unavailable')
  );
}

export type SeatTicketReader = ReturnType<typeof createSeatTicketReader>;

/** The ticket's body, and Retry-After in seconds while it is queued. */
export function viewSeatTicket({ ticket, eventId, createdAtMs, userId, outcome, place }: SeatTicket): {
  body: z.output<typeof seatTicketSchema>;
  retryAfter: number | null;
} {
  const created_at = new Date(createdAtMs).toISOString();
  const base = { ticket, event_id: eventIdText(eventId), user_id: userId };
  if (!outcome) {
    const { eta, retryAfter } = place ?? somewhere();
    return { body: { ...base, status: 'queued', eta, created_at }, retryAfter };
  }
  return {
    body: {
      ...base,
      status: outcome.status,
      ...(outcome.status === 'refused' && { reason: outcome.reason }),
      ...(outcome.status === 'refused' && outcome.refused && { seats: outcome.refused }),
      eta: { known: true, seconds: 0 },
      ...(outcome.status === 'granted' && { reservation: toReservation(outcome.reservation) }),
      created_at,
      decided_at: new Date(outcome.decidedAtMs).toISOString(),
    },
    retryAfter: null,
  };
}

/** A place in line of which nothing is known. */
function somewhere(): Pick<Place, 'eta' | 'retryAfter'> {
  const retryAfter = retryAfterSeconds(null, { inLine: 0, done: 0, perSecond: null });
  return { eta: { known: false }, retryAfter };
}

/** These tickets, for the calls that read tickets of every kind. */
export function createSeatTicketSource(reader: SeatTicketReader, outcomes: Outcomes): TicketSource {
  return {
    schema: seatTicketSchema,
    async read(ticket) {
      const state = await reader(ticket);
      if (!state) return null;
      const seen = viewSeatTicket(state);
      const { status, decided_at, reservation } = seen.body;
      const held = reservation ? `${reservation.status}-${reservation.expires_at}` : '';
      return { ...seen, version: `${status}-${decided_at ?? 0}-${held}` };
    },
    isHeard: outcomes.isHeard,
    wait: outcomes.wait,
  };
}
