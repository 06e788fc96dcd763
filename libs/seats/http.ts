import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import type { Load } from '@claimline/http/load';
import type { Router } from '@claimline/http/router';
import type { Engine } from '@claimline/queue/engine';
import { createTickets, ticketKeyOf } from '@claimline/tickets/ticket';
import { openEventDirectory } from './facts.ts';
import { mountEvents } from './http-events.ts';
import { mountReservations } from './http-reservations.ts';
import { mountSeats } from './http-seats.ts';
import { createLine } from './line.ts';
import { openOutcomes } from './outcomes.ts';
import { createSeatTicketReader, createSeatTicketSource } from './read-ticket.ts';
import { releaseTickets } from './reservation.ts';
import { createReserveVerb } from './reserve.ts';
import { openSeatMaps } from './seat-maps.ts';
import { createSeatTrains } from './train.ts';

/** Events, their seats and reservations: the accepting side. `ticketKey`: the installation's, see createTickets. */
export async function mountSeatSales(
  router: Router,
  {
    sql,
    changes,
    engine,
    load,
    waitMostMs,
    ticketKey,
  }: { sql: Sql; changes: Changes; engine: Engine; load: Load; waitMostMs: number; ticketKey: Buffer },
) {
  const tickets = createTickets(ticketKeyOf('seats', ticketKey));
  const line = createLine();
  const directory = await openEventDirectory(sql, changes);
  const maps = await openSeatMaps(sql, changes);
  const outcomes = await openOutcomes({ sql, changes }, line.leave);
  changes.onReconnect(line.doubtAll);
  const reader = createSeatTicketReader({ engine, tickets, outcomes, line });
  const release = (some: string[]) => releaseTickets(sql, some);
  const trains = createSeatTrains({ directory, maps, changes, engine, tickets, line, release, waitMostMs });
  const reserve = createReserveVerb({ trains, reader, outcomes, line, rest: load.rest });
  const issueTicket = (eventId: string) => tickets.issue(eventId, Date.now(), 1)[0] as string;

  mountEvents(router, { sql, forget: directory.forget });
  mountSeats(router, { sql });
  mountReservations(router, { sql, changes, reserve, issueTicket });

  return {
    ticketSource: createSeatTicketSource(reader, outcomes),
    /** Lets everybody go who waits. */
    release: outcomes.release,
  };
}
