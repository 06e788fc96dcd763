import { beforeTurningAway, type Load, overloadedProblem } from '@claimline/http/load';
import { AppError } from '@claimline/kernel/error';
import type { EventFacts } from './facts.ts';
import type { Refusal } from './gate.ts';
import type { Line } from './line.ts';
import type { Outcomes } from './outcomes.ts';
import type { SeatTicket, SeatTicketReader } from './read-ticket.ts';
import type { Asked, SeatTrains } from './train.ts';

/** What became of a request so far: a ticket, decided or not, or a refusal at the gate. */
export type Reserved =
  | { kind: 'ticket'; state: SeatTicket; event: EventFacts }
  | ({ kind: 'refused'; event: EventFacts | null } & Refusal);

/** One person's request for seats, with or without waiting for the outcome. */
export function createReserveVerb({
  trains,
  reader,
  outcomes,
  line,
  rest,
}: {
  trains: SeatTrains;
  reader: SeatTicketReader;
  outcomes: Outcomes;
  line: Line;
  /** What waits by intent, waits so. */
  rest: Load['rest'];
}) {
  /** Where a refusal meets a fixed ticket that an earlier run may have used: what became of that ticket. */
  async function findOwn({ fixed }: Asked): Promise<SeatTicket | null> {
    if (!fixed || fixed.run === 1) return null;
    return reader(fixed.ticket).catch(error => {
      if (isLost(error)) return null;
      throw error;
    });
  }

  /**
   * A ticket that is in line, as it stands after the wait. It counts whatever cannot be found out of it, or somebody
   * would hold seats who was told of no ticket. Error: `ticket_lost`.
   */
  async function read(ticket: string): Promise<SeatTicket | null> {
    return reader(ticket).catch(error => {
      if (isLost(error)) throw error;
      return null;
    });
  }

  /** @param waitMs how long to wait for the outcome; 0 for not at all. Errors: `overloaded`, `unavailable`, `ticket_lost`. */
  return async (eventId: string, asked: Asked, waitMs: number, signal: AbortSignal): Promise<Reserved> => {
    const boarded = await trains.board(eventId, asked);
    if (!boarded) {
      await rest(beforeTurningAway);
      const { code, message, ...how } = overloadedProblem();
      throw new AppError(code, message, how);
    }
    if (boarded.kind === 'refused') {
      const state = await findOwn(asked);
      if (!state || !boarded.event) return boarded;
      return { kind: 'ticket', state, event: boarded.event };
    }
    const { ticket, event } = boarded;
    if (waitMs > 0 && !outcomes.isHeard(ticket)) await rest(() => outcomes.wait(ticket, waitMs, signal));
    // A later run of a request may meet the outcome of an earlier one.
    const asksForOutcome = waitMs > 0 || (asked.fixed !== undefined && asked.fixed.run > 1);
    const state = asksForOutcome ? await read(ticket) : null;
    if (state) return { kind: 'ticket', state, event };
    const { userId } = asked;
    const place = line.find(ticket);
    const queued = { ticket, eventId, createdAtMs: Date.now(), userId, outcome: undefined, place };
    return { kind: 'ticket', state: queued, event };
  };
}

function isLost(error: unknown): boolean {
  return error instanceof AppError && error.problem.code === 'ticket_lost';
}

export type ReserveVerb = ReturnType<typeof createReserveVerb>;
