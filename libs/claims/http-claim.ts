import { nameParams } from '@claimline/coupons';
import type { Changes } from '@claimline/db/changes';
import { isStorable, metadata, requiredText } from '@claimline/http/fields';
import type { Run } from '@claimline/http/idempotency-rows';
import { overloadedProblem } from '@claimline/http/load';
import { replyProblem } from '@claimline/http/problem';
import { reply } from '@claimline/http/reply';
import { preferredWaitSeconds, type Router } from '@claimline/http/router';
import { type Env, goneSignal } from '@claimline/http/scope';
import { AppError, type Problem } from '@claimline/kernel/error';
import { failedProblem, ticketHttpLimits } from '@claimline/tickets/http';
import type { Context } from 'hono';
import { z } from 'zod';
import type { ClaimVerb } from './claim.ts';
import type { Outcomes } from './outcomes.ts';
import type { TicketReader, TicketState } from './read-ticket.ts';
import { describeRefusal } from './refusal.ts';
import { ticketSchema, viewTicket } from './ticket-view.ts';
import type { Boarded, Wish } from './train.ts';

export const claimHttpLimits = {
  /** How long the simple form waits. */
  simpleWaitMs: 10_000,
  /** Retry-After of a line that is full. */
  fullRetryS: 5,
} as const;

/** Who may have an outcome told to an address of their own, and which addresses that may be. */
export type Callbacks = {
  /** Throws an AppError when the caller may not. */
  authorize(c: Context<Env>): void;
  /** What is wrong with an address, as the end of a sentence that begins with the field's name, or null. */
  complaint(url: string): string | null;
};

function claimBody({ complaint }: Callbacks) {
  return z.strictObject({
    user_id: requiredText(),
    callback_url: z
      .string({ error: 'has the wrong type' })
      .check(({ value, issues }) => {
        const message = isStorable(value) ? complaint(value) : 'must be an address';
        if (message) issues.push({ code: 'custom', message, input: value });
      })
      .transform(url => new URL(url).href)
      .describe('Where the outcome is posted to, as a webhook is; for callers with a key.')
      .meta({ format: 'uri' })
      .optional(),
    metadata: metadata().optional(),
  });
}

const simpleBody = z.strictObject({ user_id: requiredText(), coupon_name: requiredText() });
const preferHeader = z.object({
  prefer: z.string().optional().describe('wait=N (1..30): answer when decided, or after N seconds.'),
});
const refusals = ['already_claimed', 'sold_out', 'not_started', 'ended', 'paused'] as const;

type Queued = Boarded & { kind: 'queued' };

/** The two forms of claiming. */
export function mountClaiming(
  router: Router,
  {
    changes,
    outcomes,
    reader,
    verb,
    callbacks,
  }: {
    changes: Changes;
    outcomes: Outcomes;
    reader: TicketReader;
    verb: ClaimVerb;
    callbacks: Callbacks;
  },
) {
  /** The state of a ticket that was just boarded, without a look into any store. */
  function stateOf({ ticket, createdAtMs, coupon, line, state }: Queued, userId: string): TicketState {
    const decided = outcomes.get(ticket) ?? null;
    return { ticket, createdAtMs, couponName: coupon.name, userId, decided, line, state };
  }

  function refuse(c: Context<Env>, boarded: Exclude<Boarded, { kind: 'queued' }>, isSimple: boolean) {
    const problem: Problem =
      boarded.kind === 'refused'
        ? describeRefusal(boarded, changes.databaseNowMs(), isSimple)
        : boarded.kind === 'overloaded'
          ? overloadedProblem()
          : {
              code: 'overloaded',
              message: 'the line of this coupon is full, try again later',
              retryAfterSeconds: claimHttpLimits.fullRetryS,
            };
    return replyProblem(c, problem);
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
      idempotent: {
        reference: ({ body }) => verb.issueTicket(body.coupon_name),
        waitMs: () => claimHttpLimits.simpleWaitMs,
      },
      answers: {
        200: { description: 'Granted; exactly one request of one person gets this', schema: ticketSchema },
        202: { description: 'Undecided by then: the ticket', schema: ticketSchema },
      },
      problems: ['coupon_not_found', ...refusals],
    },
    async ({ c, body, run }) => {
      const wish = { userId: body.user_id, metadata: null, fixed: fixedBy(run) };
      const { simpleWaitMs } = claimHttpLimits;
      const boarded = await verb.claimAndWait(body.coupon_name, wish, simpleWaitMs, goneSignal(c));
      if (boarded.kind !== 'queued') return refuse(c, boarded, true);
      const { coupon, joined } = boarded;
      let state = await reader.withCode(stateOf(boarded, body.user_id));
      if (!state.decided) state = await reader.read(boarded.ticket).catch(asLostSimply);
      if (!state.decided) return replyQueued(c, state, joined);
      const decision = state.decided;
      if (decision.status === 'failed') return replyProblem(c, failedProblem(state.ticket));
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
      body: claimBody(callbacks),
      idempotent: {
        reference: ({ params }) => verb.issueTicket(params.name),
        waitMs: ({ c }) => (preferredWaitSeconds(c, ticketHttpLimits.waitMostS) ?? 0) * 1000,
      },
      answers: {
        200: { description: 'Decided already, or within `Prefer: wait`', schema: ticketSchema },
        202: { description: 'In line', schema: ticketSchema },
      },
      problems: ['unauthorized', 'forbidden', 'coupon_not_found', ...refusals, 'ticket_lost'],
    },
    async ({ c, params, body, run }) => {
      if (body.callback_url !== undefined) callbacks.authorize(c);
      const wish = {
        userId: body.user_id,
        metadata: body.metadata ? JSON.stringify(body.metadata) : null,
        callbackUrl: body.callback_url,
        fixed: fixedBy(run),
      };
      const waitS = preferredWaitSeconds(c, ticketHttpLimits.waitMostS);
      const boarded =
        waitS === null
          ? await verb.claim(params.name, wish)
          : await verb.claimAndWait(params.name, wish, waitS * 1000, goneSignal(c));
      if (boarded.kind !== 'queued') return refuse(c, boarded, false);
      let state = stateOf(boarded, body.user_id);
      // Also where what was heard is not believed any more, because the coupon changed in that instant.
      if (!state.decided && waitS !== null) state = await reader.read(boarded.ticket);
      if (state.decided) state = await reader.withCode(state);
      const applied = waitS === null ? undefined : { 'Preference-Applied': `wait=${waitS}` };
      // A first run that does not wait is told of its place, also where the outcome was as quick as the answer.
      const asksForOutcome = waitS !== null || (run !== undefined && run.number > 1);
      if (!state.decided || !asksForOutcome) return replyQueued(c, state, boarded.joined, applied);
      return reply(c, 200, viewTicket(state).body, {
        ...applied,
        'Content-Location': `/api/tickets/${state.ticket}`,
      });
    },
  );
}

/** With an Idempotency-Key, the ticket is what the runs of the request know the claim by. */
function fixedBy(run: Run | undefined): Wish['fixed'] {
  return run && run.reference !== null ? { ticket: run.reference, run: run.number } : undefined;
}

/** The simple form has no status of its own for a place in line that was lost. */
function asLostSimply(error: unknown): never {
  if (!(error instanceof AppError) || error.problem.code !== 'ticket_lost') throw error;
  throw new AppError('unavailable', error.message, { retryAfterSeconds: 1, cause: error });
}

function replyQueued(c: Context<Env>, state: TicketState, joined: boolean, headers?: Record<string, string>) {
  const { body, retryAfter } = viewTicket(state);
  return reply(c, 202, joined ? { ...body, deduplicated: true } : body, {
    Location: `/api/tickets/${state.ticket}`,
    'Retry-After': String(retryAfter ?? 1),
    ...headers,
  });
}
