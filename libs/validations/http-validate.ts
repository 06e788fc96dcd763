import { toStored } from '@claimline/codes';
import { requiredInteger, requiredText } from '@claimline/http/fields';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { addressOf, agentOf } from '@claimline/http/scope';
import { metrics } from '@claimline/telemetry/metrics';
import { z } from 'zod';
import { type Attempt, reasons } from './attempt.ts';
import type { Validate, Verdict } from './validate.ts';

/** Looked up once: a label costs more than the counting. */
const counters = new Map(
  [null, ...reasons].map(reason => [reason, metrics.validations.labels({ result: reason ?? 'valid' })]),
);

const body = z.strictObject({
  code: requiredText().describe('In whichever letter case.'),
  user_id: requiredText(),
  order_value: requiredInteger(0, Number.MAX_SAFE_INTEGER).describe('In minor units.'),
  order_id: requiredText().optional(),
  session_id: requiredText().optional().describe("The session that holds the code's lock, if one does."),
});

const answer = z
  .discriminatedUnion('valid', [
    z.object({
      valid: z.literal(true),
      discount_amount: z
        .int()
        .describe('In minor units, rounded half up; 0 where the coupon has no discount.'),
      final_amount: z.int().describe('The order less the discount; never negative.'),
      code: z.string(),
      coupon_name: z.string(),
    }),
    z.object({
      valid: z.literal(false),
      reason: z.enum(reasons).describe('The first that applies, in this order.'),
    }),
  ])
  .meta({ id: 'Validation' });

const unknown: Verdict = {
  reason: 'code_not_found',
  coupon_name: null,
  coupon_id: null,
  discount_amount: null,
};

type House = {
  validate: Validate;
  /** Takes down an attempt; neither throws nor waits. */
  record: (attempt: Attempt) => void;
  /** Milliseconds since 1970. */
  nowMs: () => number;
};

/** Asking whether a code is good for a person and an order. */
export function mountValidating(router: Router, { validate, record, nowMs }: House) {
  router.add(
    {
      method: 'post',
      path: '/api/validations',
      id: 'validateCode',
      tag: 'Validations',
      summary: 'Ask whether a code is good for a person and an order',
      description:
        'Nothing is used or held by it. What is valid now may be used up a moment later: redeeming decides.',
      access: 'public',
      body,
      answers: { 200: { description: 'Valid, or why not', schema: answer } },
      problems: ['overloaded'],
    },
    async ({ c, body }) => {
      const startedMs = performance.now();
      const { user_id, order_value, order_id = null, session_id: session = null } = body;
      const code = toStored(body.code);
      const asked = { userId: user_id, orderValue: order_value, orderId: order_id, session };
      const verdict = code === null ? unknown : await validate({ code, ...asked });
      const { reason, coupon_name, coupon_id, discount_amount } = verdict;
      const final_amount = discount_amount === null ? null : order_value - discount_amount;
      const valid = reason === null;
      counters.get(reason)?.inc();
      record({
        code: code ?? body.code,
        user_id,
        order_id,
        order_value,
        valid,
        reason,
        discount_amount,
        final_amount,
        coupon_name,
        coupon_id,
        address: addressOf(c),
        agent: agentOf(c),
        response_ms: performance.now() - startedMs,
        at: nowMs(),
      });
      return reply(
        c,
        200,
        valid ? { valid, discount_amount, final_amount, code, coupon_name } : { valid, reason },
      );
    },
  );
}
