import type { Grant } from '@claimline/claims';
import type { Sql } from '@claimline/db/pool';
import { metadata, requiredInteger, requiredText } from '@claimline/http/fields';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { addressOf, agentOf, type Env } from '@claimline/http/scope';
import type { Context } from 'hono';
import { z } from 'zod';
import { assignCode, findPlace } from './assign.ts';
import { codeSchema, toCode } from './code.ts';
import { lockCode, lockLimits, unlockCode } from './lock.ts';
import { codeParams } from './params.ts';
import { redeemCode } from './redeem.ts';
import type { Caller } from './verdict.ts';

/** How long assigning waits for Postgres by intent. */
const ASSIGN_MS = 5000;

const sessionField = requiredText()
  .optional()
  .describe('What holds the lock for the person, such as a cart. Another session of theirs is kept out.');

const callerOf = (c: Context<Env>, actor: Caller['actor']): Caller => ({
  actor,
  address: addressOf(c),
  agent: agentOf(c),
});

/** Assigning, locking, unlocking and redeeming. */
export function mountUses(
  router: Router,
  house: { sql: Sql; grant: Grant; issueTicket: (couponId: string) => string },
) {
  mountAssigning(router, house);
  mountLocking(router);
  mountRedeeming(router);
}

function mountAssigning(
  router: Router,
  { sql, grant, issueTicket }: { sql: Sql; grant: Grant; issueTicket: (couponId: string) => string },
) {
  router.add(
    {
      method: 'post',
      path: '/api/codes/{code}/assign',
      id: 'assignCode',
      tag: 'Codes',
      summary: 'Give a code to a person',
      description: "A grant like any other: it takes a unit and counts against the person's limit.",
      access: 'keyed',
      params: codeParams,
      body: z.strictObject({ user_id: requiredText() }),
      idempotent: {
        reference: async ({ params }) => issueTicket((await findPlace(sql, params.code)).couponId),
        waitMs: () => ASSIGN_MS,
      },
      answers: { 201: { description: 'The code', schema: codeSchema } },
      problems: ['code_not_found', 'code_not_available', 'quota_reached', 'coupon_inactive'],
    },
    async ({ c, params: { code }, body, run }) => {
      const place = await findPlace(sql, code);
      const ticket = run?.reference ?? issueTicket(place.couponId);
      const given = { code, userId: body.user_id, ticket, place };
      return reply(c, 201, toCode(await assignCode({ sql, grant }, given, callerOf(c, 'operator'))));
    },
  );
}

function mountLocking(router: Router) {
  router.add(
    {
      method: 'post',
      path: '/api/codes/{code}/lock',
      id: 'lockCode',
      tag: 'Codes',
      summary: 'Lock a code for its owner, for a while',
      description:
        'Locking again while the lock lives changes nothing. A lock that has lapsed locks nothing. Codes of a public coupon are not locked.',
      access: 'public',
      params: codeParams,
      body: z.strictObject({
        user_id: requiredText(),
        ttl_seconds: requiredInteger(1, lockLimits.ttlMostS)
          .optional()
          .describe("The coupon's own when left out."),
        session_id: sessionField,
        metadata: metadata().optional(),
      }),
      idempotent: 'transaction',
      answers: {
        200: {
          description: 'Locked',
          schema: z.object({
            code: z.string(),
            status: z.literal('locked'),
            locked_until: z.iso.datetime(),
            lock_ttl_seconds: z.int(),
          }),
        },
      },
      problems: [
        'code_not_found',
        'code_public',
        'not_owner',
        'code_not_assigned',
        'code_redeemed',
        'coupon_inactive',
        'code_locked',
      ],
    },
    async ({ c, params: { code }, body, sql }) => {
      const { user_id: userId, session_id: session = null, ttl_seconds: seconds = null, metadata } = body;
      const locked = await lockCode(sql, { code, userId, session, seconds, metadata }, callerOf(c, 'user'));
      return reply(c, 200, {
        code,
        status: 'locked',
        locked_until: locked.locked_until.toISOString(),
        lock_ttl_seconds: locked.seconds,
      });
    },
  );

  router.add(
    {
      method: 'post',
      path: '/api/codes/{code}/unlock',
      id: 'unlockCode',
      tag: 'Codes',
      summary: 'Take the lock off a code',
      access: 'public',
      params: codeParams,
      body: z.strictObject({ user_id: requiredText(), session_id: sessionField }),
      idempotent: 'transaction',
      answers: {
        200: {
          description: 'Not locked, now or before',
          schema: z.object({ code: z.string(), status: z.enum(['assigned', 'redeemed']) }),
        },
      },
      problems: ['code_not_found', 'not_owner', 'code_not_assigned', 'code_locked'],
    },
    async ({ c, params: { code }, body, sql }) => {
      const { user_id: userId, session_id: session = null } = body;
      const { status } = await unlockCode(sql, { code, userId, session }, callerOf(c, 'user'));
      return reply(c, 200, { code, status });
    },
  );
}

function mountRedeeming(router: Router) {
  router.add(
    {
      method: 'post',
      path: '/api/codes/{code}/redeem',
      id: 'redeemCode',
      tag: 'Codes',
      summary: 'Redeem a code, for good',
      description:
        'Lock it first while an order is being paid. An order uses one code, once. Codes of a public coupon ' +
        'may be redeemed by anybody, each person as often as its per_user_limit says.',
      access: 'public',
      params: codeParams,
      body: z.strictObject({
        user_id: requiredText(),
        order_id: requiredText().optional(),
        order_value: requiredInteger(0, Number.MAX_SAFE_INTEGER)
          .optional()
          .describe('In minor units. Left out, it meets no minimum_order_value.'),
        session_id: sessionField,
        metadata: metadata().optional(),
      }),
      idempotent: 'transaction',
      answers: {
        200: {
          description: 'Redeemed',
          schema: z.object({
            code: z.string(),
            status: z
              .enum(['available', 'assigned', 'redeemed'])
              .describe('available: a public code that nobody owns.'),
            redemption_count: z.int(),
            max_redemptions: z.int().nullable().describe('null: without limit.'),
            final: z.boolean().describe('Whether this was the last time.'),
            redeemed_at: z.iso.datetime(),
            discount: z
              .int()
              .optional()
              .describe('Where the coupon has one and the order a value; in minor units.'),
            final_amount: z.int().optional(),
          }),
        },
      },
      problems: [
        'code_not_found',
        'not_owner',
        'code_not_assigned',
        'code_redeemed',
        'coupon_inactive',
        'code_locked',
        'redemption_limit',
        'minimum_not_met',
        'order_already_used',
        'quota_reached',
      ],
    },
    async ({ c, params: { code }, body, sql }) => {
      const { order_value: orderValue = null, order_id: orderId = null, session_id: session = null } = body;
      const use = { code, userId: body.user_id, session, orderId, orderValue, metadata: body.metadata };
      const redeemed = await redeemCode(sql, use, callerOf(c, 'user'));
      const discount = redeemed.discount_amount;
      return reply(c, 200, {
        code,
        status: redeemed.status,
        redemption_count: redeemed.redemption_count,
        max_redemptions: redeemed.max_redemptions,
        final: redeemed.is_final,
        redeemed_at: redeemed.redeemed_at.toISOString(),
        ...(discount !== null && orderValue !== null && { discount, final_amount: orderValue - discount }),
      });
    },
  );
}
