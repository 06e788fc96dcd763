import type { Directory } from '@claimline/coupons';
import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import type { Load } from '@claimline/http/load';
import type { Router } from '@claimline/http/router';
import type { Engine } from '@claimline/queue/engine';
import { createTickets } from '@claimline/tickets/ticket';
import { createClaimVerb } from './claim.ts';
import { createGate } from './create-gate.ts';
import { createGrant } from './grant.ts';
import { type Callbacks, mountClaiming } from './http-claim.ts';
import { mountLists } from './http-lists.ts';
import { createLoadGate, decidedAmong } from './load-gate.ts';
import { mendLine } from './mend-line.ts';
import { openOutcomes } from './outcomes.ts';
import { createLineReader } from './read-line.ts';
import { createTicketReader } from './read-ticket.ts';
import { createTicketSource } from './ticket-view.ts';
import { createTrains } from './train.ts';

/** How often places in line that lead nowhere are looked for where the gate is this process's own. */
const MEND_MS = 5000;

/** The accepting side of claims, and everything that reads them. */
export async function mountClaims(
  router: Router,
  house: {
    sql: Sql;
    /** A pool for the settle statement. */
    settleSql: Sql;
    changes: Changes;
    engine: Engine;
    directory: Directory;
    load: Load;
    /** The longest wait in front of the gate that may stand, in ms. */
    waitMostMs: number;
    /** See createTickets. */
    ticketKey: Buffer;
    callbacks: Callbacks;
    onError: (error: Error) => void;
  },
) {
  const { sql, changes, engine, directory, load, waitMostMs } = house;
  const gate = createGate(engine);
  const tickets = createTickets(house.ticketKey);
  const loadGate = createLoadGate({ sql, gate, engine });
  const outcomes = await openOutcomes({
    ...{ changes, gate, tickets },
    findDecided: some => decidedAmong(sql, some),
  });
  const reader = createTicketReader({ sql, gate, engine, tickets, outcomes });
  const trains = createTrains({ directory, changes, gate, loadGate, engine, tickets, waitMostMs });
  const { rest } = load;
  const verb = createClaimVerb({ directory, gate, tickets, trains, outcomes, reader, rest });

  mountClaiming(router, { changes, outcomes, reader, verb, callbacks: house.callbacks });
  mountLists(router, { sql, readLine: createLineReader({ sql, gate }) });

  let isMending = false;
  const mender = setInterval(async () => {
    if (isMending) return;
    isMending = true;
    for (const couponId of gate.couponsInLine())
      await mendLine({ engine, gate, sql }, couponId).catch(house.onError);
    isMending = false;
  }, MEND_MS);

  return {
    grant: createGrant({ sql: house.settleSql, gate, onError: house.onError }),
    issueTicket: (couponId: string) => tickets.issue(couponId, Date.now(), 1)[0] as string,
    ticketSource: createTicketSource({ reader, outcomes, tickets }),
    /** Lets everybody go who waits, with the state as it is. */
    release() {
      clearInterval(mender);
      outcomes.release();
    },
  };
}
