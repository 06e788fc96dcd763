import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { createTrain } from '@claimline/kernel/train';
import type { Engine } from '@claimline/queue/engine';
import type { LineState } from '@claimline/tickets/line';
import { createTicketSearch } from '@claimline/tickets/search';
import type { Tickets } from '@claimline/tickets/ticket';
import { LRUCache } from 'lru-cache';
import type { Gate, InLine } from './gate.ts';
import { listInLine } from './load-gate.ts';
import { claimIdOf, claimIdText, type Decision, type Reason } from './outcome.ts';
import type { Outcomes } from './outcomes.ts';

/** A ticket as it stands. A queued one whose line number is null is in the queue, but not known to this gate. */
export type TicketState = {
  ticket: string;
  createdAtMs: number;
  couponName: string;
  userId: string;
  decided: Decision | null;
  line: number | null;
  state: LineState;
};

const nobodyInLine: LineState = { inLine: 0, done: 0, perSecond: null };

export const readerLimits = {
  /** Names of coupons by identity that are remembered. */
  namesMost: 50_000,
  /** Codes that are read by one query. */
  codesMost: 500,
} as const;

type House = { sql: Sql; gate: Gate; engine: Engine; tickets: Tickets; outcomes: Outcomes };

/**
 * Reads a ticket: what this process heard, else the gate, else Postgres, which always knows an
 * outcome. Errors: `ticket_not_found` for one that was never issued, `ticket_lost` for one that
 * has neither an outcome nor a place in line.
 */
export function createTicketReader({ sql, gate, engine, tickets, outcomes }: House) {
  const names = new LRUCache<string, string>({ max: readerLimits.namesMost });

  async function nameOf(couponId: string): Promise<string> {
    const known = names.get(couponId);
    if (known !== undefined) return known;
    const [row] = await sql<{ name: string }[]>`select name from coupons where id = ${couponId}`;
    if (row) names.set(couponId, row.name);
    return row?.name ?? '';
  }

  const findInQueue = createTicketSearch<InLine>(couponId => listInLine(engine, couponId));

  const codes = createTrain<number, string | undefined>({
    seats: readerLimits.codesMost,
    depart: claimIds => selectCodes(sql, claimIds),
  });

  /** The state with the code of a granted claim, which no notification carries. */
  async function withCode(state: TicketState): Promise<TicketState> {
    const { decided } = state;
    if (decided?.status !== 'granted' || !decided.hasCode || decided.code !== undefined) return state;
    const code = await codes.board(claimIdOf(decided.claimId));
    if (code === undefined) return state;
    const withCode = { ...decided, code };
    outcomes.keep(state.ticket, withCode); // For whoever polls again.
    return { ...state, decided: withCode };
  }

  async function readDecided(ticket: string): Promise<Decision | undefined> {
    const decided = await selectDecided(sql, ticket);
    if (decided && decided.status !== 'failed') outcomes.keep(ticket, decided);
    return decided;
  }

  let last = { couponId: '', name: '' };
  return {
    /** Saves a look into Postgres later: the coupon of a ticket that was just issued. */
    rememberName(couponId: string, name: string) {
      if (couponId === last.couponId && name === last.name) return; // In a stampede it is the same all the time.
      names.set(couponId, name);
      last = { couponId, name };
    },

    withCode,

    async read(ticket: string): Promise<TicketState> {
      const issued = tickets.read(ticket);
      if (!issued) throw new AppError('ticket_not_found', 'ticket not found');
      const { subjectId: couponId, createdAtMs } = issued;
      const asDecided = (decided: Decision): TicketState => ({
        ticket,
        createdAtMs,
        couponName: decided.couponName,
        userId: decided.userId,
        decided,
        line: null,
        state: nobodyInLine,
      });

      const heard = outcomes.get(ticket);
      if (heard) return withCode(asDecided(heard));
      // A shared gate hears of an outcome a moment after we do.
      const place = outcomes.isDecided(ticket) ? null : await gate.find(couponId, ticket);
      const stored = place && !place.mayBeDecided ? undefined : await readDecided(ticket);
      if (stored) return asDecided(stored);
      if (place) {
        const { userId, line, state } = place;
        const couponName = await nameOf(couponId);
        return { ticket, createdAtMs, couponName, userId, decided: null, line, state };
      }
      const queued = await findInQueue(couponId, ticket);
      // Decided between the two looks, or truly nowhere.
      const late = await readDecided(ticket);
      if (late) return asDecided(late);
      if (!queued)
        throw new AppError('ticket_lost', 'the place in line of this ticket was lost, claim again');
      const couponName = await nameOf(couponId);
      const state = await gate.readLine(couponId);
      return { ticket, createdAtMs, couponName, userId: queued.userId, decided: null, line: null, state };
    },
  };
}

export type TicketReader = ReturnType<typeof createTicketReader>;

type DecidedRow = {
  coupon_name: string;
  user_id: string;
  decided_at: Date;
  claim_id: number | null;
  sequence: number | null;
  reason: string | null;
  code: string | null;
};

async function selectDecided(sql: Sql, ticket: string): Promise<Decision | undefined> {
  const [row] = await sql<DecidedRow[]>`
    select coupon_name, user_id, created_at as decided_at, id as claim_id, sequence, null as reason,
      (select code from assignments where claim_id = claims.id) as code
    from claims where ticket = ${ticket}
    union all
    select coupon_name, user_id, decided_at, null, null, reason, null from refusals where ticket = ${ticket}
    limit 1`;
  if (!row) return undefined;
  const base = {
    couponName: row.coupon_name,
    userId: row.user_id,
    decidedAtMs: row.decided_at.getTime(),
  };
  if (row.claim_id !== null && row.sequence !== null)
    return {
      ...base,
      status: 'granted',
      claimId: claimIdText(row.claim_id),
      sequence: row.sequence,
      held: 1,
      hasCode: row.code !== null,
      ...(row.code !== null && { code: row.code }),
    };
  if (row.reason === 'failed') return { ...base, status: 'failed' };
  return { ...base, status: 'refused', reason: row.reason as Reason, heldTicket: null };
}

/** The codes of these claims, in their order. */
async function selectCodes(sql: Sql, claimIds: number[]): Promise<(string | undefined)[]> {
  const rows = await sql<{ claim_id: number; code: string }[]>`
    select claim_id, code from assignments where claim_id = any(${claimIds})`;
  const byClaim = new Map(rows.map(row => [row.claim_id, row.code]));
  return claimIds.map(claimId => byClaim.get(claimId));
}
