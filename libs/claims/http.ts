import { type Directory, nameParams } from '@claimline/coupons';
import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import { metadata, requiredText } from '@claimline/http/fields';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { replyProblem } from '@claimline/http/problem';
import { reply, replyRaw } from '@claimline/http/reply';
import { preferredWaitSeconds, type Router } from '@claimline/http/router';
import { type Env, header } from '@claimline/http/scope';
import { AppError, type Problem } from '@claimline/kernel/error';
import type { Engine } from '@claimline/queue/engine';
import type { Context } from 'hono';
import { z } from 'zod';
import { createClaimVerb } from './claim.ts';
import { createGate } from './create-gate.ts';
import { listCouponClaims, listUserClaims, toClaim } from './list.ts';
import { createLoadGate } from './load-gate.ts';
import { openOutcomes } from './outcomes.ts';
import { createLineReader } from './read-line.ts';
import { createTicketReader, type TicketState } from './read-ticket.ts';
import { describeRefusal } from './refusal.ts';
import { streamTicket } from './stream-ticket.ts';
import { sweepLine } from './sweep.ts';
import { createTickets } from './ticket.ts';
import { ticketSchema, viewTicket } from './ticket-view.ts';
import { type Boarded, createTrains } from './train.ts';

export const claimHttpLimits = {
  /** The longest wait for an outcome that a caller may ask for. */
  waitMostS: 30,
  /** How long the simple form waits. */
  simpleWaitMs: 10_000,
  /** How often places in line without a job are looked for where the gate is this process's own. */
  sweepMs: 5000,
  /** Retry-After of a line that is full. */
  fullRetryS: 5,
} as const;

const claimBody = z.strictObject({
  user_id: requiredText(),
  callback_url: z
    .unknown()
    .refine(url => url === undefined, 'is not available: this server delivers no webhooks')
    .optional(),
  metadata: metadata().optional(),
});
const simpleBody = z.strictObject({ user_id: requiredText(), coupon_name: requiredText() });
const ticketParams = z.object({ ticket: z.string() });
const claimSchema = z
  .object({
    claim_id: z.string(),
    sequence: z.int(),
    user_id: z.string(),
    coupon_name: z.string(),
    ticket: z.string().nullable(),
    granted_at: z.iso.datetime(),
  })
  .meta({ id: 'Claim' });
const claimPage = z.object({ data: z.array(claimSchema), next_cursor: z.string().nullable() });
const preferHeader = z.object({
  prefer: z.string().optional().describe('wait=N (1..30): answer when decided, or after N seconds.'),
});
const refusals = ['already_claimed', 'sold_out', 'not_started', 'ended', 'paused'] as const;

/** The accepting side of claims, and everything that reads them. */
export async function mountClaims(
  router: Router,
  house: {
    sql: Sql;
    changes: Changes;
    engine: Engine;
    directory: Directory;
    ticketKey: Buffer;
    onError: (error: Error) => void;
  },
) {
  const { sql, changes, engine, directory } = house;
  const gate = createGate(engine);
  const tickets = createTickets(house.ticketKey);
  const loadGate = createLoadGate({ sql, gate, engine });
  const outcomes = await openOutcomes({ changes, gate, tickets });
  const reader = createTicketReader({ sql, gate, engine, tickets, outcomes });
  const trains = createTrains({ directory, changes, gate, loadGate, engine, tickets });
  const verb = createClaimVerb({ directory, trains, outcomes, reader });
  const readLine = createLineReader({ sql, gate });
  const stopping = new AbortController();

  const sweeper = setInterval(() => {
    for (const couponId of gate.couponsInLine()) sweepLine({ engine, gate }, couponId).catch(house.onError);
  }, claimHttpLimits.sweepMs);

  /** The state of a ticket that was just boarded, without a look into any store where that can be. */
  async function stateOf(boarded: Boarded & { kind: 'queued' }, userId: string): Promise<TicketState> {
    const { ticket, createdAtMs, coupon, line, state } = boarded;
    if (line === null) return reader.read(ticket);
    const decided = outcomes.get(ticket) ?? null;
    return { ticket, createdAtMs, couponName: coupon.name, userId, decided, line, state };
  }

  function refuse(c: Context<Env>, boarded: Exclude<Boarded, { kind: 'queued' }>, isSimple: boolean) {
    const problem: Problem =
      boarded.kind === 'refused'
        ? describeRefusal(boarded, changes.databaseNowMs(), isSimple)
        : {
            code: 'overloaded',
            message: 'the line of this coupon is full, try again later',
            retryAfterSeconds: claimHttpLimits.fullRetryS,
          };
    return replyProblem(c, problem);
  }

  function replyQueued(
    c: Context<Env>,
    state: TicketState,
    joined: boolean,
    headers?: Record<string, string>,
  ) {
    const { body, retryAfter } = viewTicket(state);
    return reply(c, 202, joined ? { ...body, deduplicated: true } : body, {
      Location: `/api/tickets/${state.ticket}`,
      'Retry-After': String(retryAfter ?? 1),
      ...headers,
    });
  }

  router.add(
    {
      method: 'post',
      path: '/api/coupons/claim',
      id: 'claimSimply',
      tag: 'Claims',
      summary: 'Claim, and wait up to 10 s for the outcome',
      description: 'The simple form, with the statuses and messages of a well-known flash-sale contract.',
      access: 'public',
      body: simpleBody,
      answers: {
        200: { description: 'Granted; exactly one request of one person gets this', schema: ticketSchema },
        202: { description: 'Undecided by then: the ticket', schema: ticketSchema },
      },
      problems: ['coupon_not_found', 'overloaded', ...refusals],
    },
    async ({ c, body }) => {
      const wish = { userId: body.user_id, metadata: null };
      const signal = AbortSignal.any([c.req.raw.signal, stopping.signal]);
      const boarded = await verb.claimAndWait(body.coupon_name, wish, claimHttpLimits.simpleWaitMs, signal);
      if (boarded.kind !== 'queued') return refuse(c, boarded, true);
      const { coupon, joined } = boarded;
      let state = await stateOf(boarded, body.user_id);
      if (!state.decided) state = await reader.read(boarded.ticket);
      if (!state.decided) return replyQueued(c, state, joined);
      const decision = state.decided;
      if (decision.status === 'failed') throw new AppError('internal', 'the claim failed');
      if (decision.status === 'refused')
        return refuse(
          c,
          { kind: 'refused', coupon, reason: decision.reason, heldTicket: decision.heldTicket },
          true,
        );
      if (joined)
        return refuse(
          c,
          { kind: 'refused', coupon, reason: 'already_claimed', heldTicket: state.ticket },
          true,
        );
      return reply(c, 200, viewTicket(state).body);
    },
  );

  router.add(
    {
      method: 'post',
      path: '/api/coupons/{name}/claims',
      id: 'claim',
      tag: 'Claims',
      summary: 'Claim one unit for a person',
      access: 'public',
      params: nameParams,
      headers: preferHeader,
      body: claimBody,
      answers: {
        200: { description: 'Decided within `Prefer: wait`', schema: ticketSchema },
        202: { description: 'In line', schema: ticketSchema },
      },
      problems: ['coupon_not_found', 'overloaded', ...refusals],
    },
    async ({ c, params, body }) => {
      const wish = { userId: body.user_id, metadata: body.metadata ?? null };
      const waitS = preferredWaitSeconds(c, claimHttpLimits.waitMostS);
      const boarded =
        waitS === null
          ? await verb.claim(params.name, wish)
          : await verb.claimAndWait(
              params.name,
              wish,
              waitS * 1000,
              AbortSignal.any([c.req.raw.signal, stopping.signal]),
            );
      if (boarded.kind !== 'queued') return refuse(c, boarded, false);
      reader.rememberName(boarded.coupon.id, boarded.coupon.name);
      const state = await stateOf(boarded, body.user_id);
      const applied = waitS === null ? undefined : { 'Preference-Applied': `wait=${waitS}` };
      if (!state.decided || waitS === null) return replyQueued(c, state, boarded.joined, applied);
      return reply(c, 200, viewTicket(state).body, {
        ...applied,
        'Content-Location': `/api/tickets/${state.ticket}`,
      });
    },
  );

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
        const signal = AbortSignal.any([c.req.raw.signal, stopping.signal]);
        await verb.waitFor(params.ticket, performance.now() + waitS * 1000, signal);
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
      return streamTicket(c, params.ticket, { reader, outcomes }, stopping.signal);
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/coupons/{name}/line',
      id: 'readLine',
      tag: 'Claims',
      summary: "A coupon's line as visitors may see it, at most 1 s old",
      access: 'public',
      params: nameParams,
      answers: {
        200: {
          description: 'The line',
          schema: z.object({
            status: z.enum(['active', 'paused', 'ended', 'not_started', 'sold_out']),
            remaining_amount: z.int(),
            in_line: z.int(),
            settled_per_second: z.number().nullable().describe('null: nothing was settled lately.'),
            updated_at: z.iso.datetime(),
          }),
        },
      },
      problems: ['coupon_not_found'],
    },
    async ({ c, params }) =>
      reply(c, 200, await readLine(params.name), { 'Cache-Control': 'public, max-age=1' }),
  );

  router.add(
    {
      method: 'get',
      path: '/api/coupons/{name}/claims',
      id: 'listCouponClaims',
      tag: 'Claims',
      summary: "A coupon's claims in claim order",
      access: 'keyed',
      params: nameParams,
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page of claims', schema: claimPage } },
      problems: ['coupon_not_found'],
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const after = decodeCursor(cursor, 'number');
      const rows = await listCouponClaims(sql, { couponName: params.name, limit, after });
      return reply(
        c,
        200,
        page(rows, limit, row => row.sequence, toClaim),
      );
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/users/{user_id}/claims',
      id: 'listUserClaims',
      tag: 'Claims',
      summary: "A person's claims, newest first",
      access: 'keyed',
      params: z.object({ user_id: requiredText() }),
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page of claims', schema: claimPage } },
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const before = decodeCursor(cursor, 'number');
      const rows = await listUserClaims(sql, { userId: params.user_id, limit, before });
      return reply(
        c,
        200,
        page(rows, limit, row => row.id, toClaim),
      );
    },
  );

  return {
    /** Lets everybody go who waits, with the state as it is. */
    release() {
      clearInterval(sweeper);
      stopping.abort();
      outcomes.release();
    },
  };
}
