import { nameParams } from '@claimline/coupons';
import type { Sql } from '@claimline/db/pool';
import { requiredText } from '@claimline/http/fields';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { z } from 'zod';
import { reasons } from './attempt.ts';
import { readAttemptStats } from './attempt-stats.ts';
import { type AttemptRow, listAttempts } from './list-attempts.ts';

const attemptSchema = z
  .object({
    id: z.string(),
    code: z.string(),
    coupon_name: z.string().nullable().describe('null where there is no such code.'),
    user_id: z.string(),
    order_id: z.string().nullable(),
    order_value: z.int(),
    valid: z.boolean(),
    reason: z.enum(reasons).nullable(),
    discount_amount: z.int().nullable(),
    final_amount: z.int().nullable(),
    address: z.string().nullable(),
    agent: z.string().nullable(),
    response_ms: z.number(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'ValidationAttempt' });

const ms = z.number().nullable();
const statsSchema = z
  .object({
    attempts: z.int(),
    valid: z.int(),
    invalid: z.int(),
    by_reason: z.record(z.enum(reasons), z.int()),
    response_ms: z.object({ avg: ms, min: ms, max: ms, p95: ms }),
  })
  .meta({ id: 'ValidationStats' });

/** The usage log: recent attempts, and what they come to. An attempt is here within seconds of its answer. */
export function mountAttempts(router: Router, { sql }: { sql: Sql }) {
  router.add(
    {
      method: 'get',
      path: '/api/validations',
      id: 'listValidations',
      tag: 'Validations',
      summary: 'Validations that were answered, the last first',
      description: 'An attempt is on the list within seconds. Rows are kept for VALIDATION_LOG_DAYS.',
      access: 'keyed',
      query: z.object({
        ...pageQuery,
        coupon: requiredText().optional().describe('Only of codes of this coupon.'),
        user_id: requiredText().optional().describe('Only of this person.'),
      }),
      answers: {
        200: {
          description: 'A page of validations',
          schema: z.object({ data: z.array(attemptSchema), next_cursor: z.string().nullable() }),
        },
      },
      problems: ['coupon_not_found'],
    },
    async ({ c, query: { limit, cursor, coupon, user_id } }) => {
      const before = decodeCursor(cursor, 'number');
      const rows = await listAttempts(sql, { couponName: coupon, userId: user_id, limit, before });
      return reply(
        c,
        200,
        page(rows, limit, row => row.id, toAttempt),
      );
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/coupons/{name}/validations/stats',
      id: 'readValidationStats',
      tag: 'Validations',
      summary: "How the validations of a coupon's codes came out, and how long they took",
      description: 'Since the coupon was created, also of rows that are no longer kept.',
      access: 'keyed',
      params: nameParams,
      answers: { 200: { description: 'The statistics', schema: statsSchema } },
      problems: ['coupon_not_found'],
    },
    async ({ c, params }) => reply(c, 200, await readAttemptStats(sql, params.name)),
  );
}

function toAttempt({ id, created_at, response_us, ...attempt }: AttemptRow): z.output<typeof attemptSchema> {
  return {
    id: `val_${id}`,
    ...attempt,
    response_ms: response_us / 1000,
    created_at: created_at.toISOString(),
  };
}
