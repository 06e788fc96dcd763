import { beforeTurningAway, type Load, overloadedProblem } from '@claimline/http/load';
import { AppError } from '@claimline/kernel/error';
import type { EventFacts } from './facts.ts';
import type { Refusal } from './gate.ts';
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
  rest,
}: {
  trains: SeatTrains;
  reader: SeatTicketReader;
  outcomes: Outcomes;
  /** What waits by intent, waits so. */
  rest: Load['rest'];
}) {
  /** Where a refusal meets a fixed ticket that an earlier run may have used: what became of that ticket. */
  async function findOwn({ fixed }: Asked): Promise<SeatTicket | null> {
    if (!fixed || fixed.run === 1) return null;
    try {
      return await reader(fixed.ticket);
    } catch (error) {
      if (error instanceof AppError && error.problem.code === 'ticket_lost') return null;
      throw error;
    }
  }

  /** @param waitMs how long to wait for the outcome; 0 for not at all. Errors: `overloaded`, `unavailable`. */
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
    const state = waitMs > 0 ? await reader(ticket) : null;
    const queued = { ticket, eventId, createdAtMs: Date.now(), userId: asked.userId, outcome: undefined };
    return { kind: 'ticket', state: state ?? queued, event };
  };
}

export type ReserveVerb = ReturnType<typeof createReserveVerb>;
