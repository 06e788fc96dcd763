import type { Sql } from '@claimline/db/pool';
import { requiredText, time } from '@claimline/http/fields';
import { decodeCursor, encodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { goneSignal } from '@claimline/http/scope';
import { z } from 'zod';
import { endpointParams } from './endpoint.ts';
import { eventTypes } from './event-types.ts';
import { messageParams, messageSchema, toMessage } from './message.ts';
import { attemptSchema, readAttempts, toAttempt } from './read-attempts.ts';
import { readFeed, readMessage } from './read-messages.ts';
import { createRecovery, recoverLimits } from './recover.ts';
import { resendMessage } from './resend.ts';

/** What was told, to whom, what came of it, and telling it again. */
export function mountMessages(router: Router, { sql }: { sql: Sql }) {
  mountFeed(router, sql);
  mountReading(router, sql);
  mountAttempts(router, sql);
  mountResending(router);
  mountRecovering(router, sql);
}

const oneOf = (values: readonly string[]) => ({ error: `must be one of ${values.join(', ')}` });

function mountFeed(router: Router, sql: Sql) {
  router.add(
    {
      method: 'get',
      path: '/api/webhook-messages',
      id: 'listWebhookMessages',
      tag: 'Webhooks',
      summary: 'The feed of messages, oldest first',
      description:
        'For whoever would rather ask than be told: keep `cursor` and ask again with it. Messages appear in the order of the feed and none behind one that was read. With `type` or `coupon` an answer looks at a part of the feed only, and where there are many receivers a page is shorter: it may have few messages, or none, and a `next_cursor` to go on with. With `status` the cursor is for the pages of one reading: messages are exhausted in any order, so begin anew for those that have been since. They are kept from the first endpoint on, enabled or not, for WEBHOOK_MESSAGES_KEPT_DAYS.',
      access: 'keyed',
      query: z.object({
        ...pageQuery,
        type: z.enum(eventTypes, oneOf(eventTypes)).optional(),
        coupon: requiredText().optional().describe('A coupon name.'),
        status: z
          .enum(['exhausted'], oneOf(['exhausted']))
          .optional()
          .describe('Only those that a receiver was not told and will not be by itself: the dead letters.'),
      }),
      answers: {
        200: {
          description: 'A page of messages',
          schema: z.object({
            data: z.array(messageSchema),
            next_cursor: z.string().nullable(),
            cursor: z
              .string()
              .describe('Where this page ends: ask with it for what comes after, now or later.'),
          }),
        },
      },
    },
    async ({ c, query: { limit, cursor, type, coupon, status } }) => {
      const after = decodeCursor(cursor, 'number');
      const onlyExhausted = status === 'exhausted';
      const { rows, end, isMore } = await readFeed(sql, { type, coupon, onlyExhausted, limit, after });
      const cursorAfter = encodeCursor(end);
      return reply(c, 200, {
        data: rows.map(toMessage),
        next_cursor: isMore ? cursorAfter : null,
        cursor: cursorAfter,
      });
    },
  );
}

function mountReading(router: Router, sql: Sql) {
  router.add(
    {
      method: 'get',
      path: '/api/webhook-messages/{id}',
      id: 'readWebhookMessage',
      tag: 'Webhooks',
      summary: 'Read a message and what became of it',
      access: 'keyed',
      params: messageParams,
      answers: { 200: { description: 'The message', schema: messageSchema } },
      problems: ['message_not_found'],
    },
    async ({ c, params }) => reply(c, 200, toMessage(await readMessage(sql, params.id))),
  );
}

function mountAttempts(router: Router, sql: Sql) {
  const statuses = ['succeeded', 'failed'] as const;
  router.add(
    {
      method: 'get',
      path: '/api/webhook-endpoints/{id}/attempts',
      id: 'listWebhookAttempts',
      tag: 'Webhooks',
      summary: "An endpoint's attempts, newest first",
      access: 'keyed',
      params: endpointParams,
      query: z.object({ ...pageQuery, status: z.enum(statuses, oneOf(statuses)).optional() }),
      answers: {
        200: {
          description: 'A page of attempts',
          schema: z.object({ data: z.array(attemptSchema), next_cursor: z.string().nullable() }),
        },
      },
      problems: ['endpoint_not_found'],
    },
    async ({ c, params, query: { limit, cursor, status } }) => {
      const before = decodeCursor(cursor, 'number');
      const rows = await readAttempts(sql, { endpointId: params.id, status, limit, before });
      return reply(
        c,
        200,
        page(rows, limit, row => row.id, toAttempt),
      );
    },
  );
}

function mountResending(router: Router) {
  router.add(
    {
      method: 'post',
      path: '/api/webhook-messages/{id}/resend',
      id: 'resendWebhookMessage',
      tag: 'Webhooks',
      summary: 'Send a message again, with its id',
      description: 'To one endpoint, or to every receiver that it was meant for and that is enabled.',
      access: 'keyed',
      params: messageParams,
      query: z.object({ endpoint_id: endpointParams.shape.id.optional() }),
      body: z.strictObject({}),
      idempotent: 'transaction',
      answers: {
        200: {
          description: 'It is due now',
          schema: z.object({ resent: z.int().describe('To how many receivers.') }),
        },
      },
      problems: ['message_not_found', 'endpoint_not_found', 'endpoint_disabled'],
    },
    async ({ c, params, query, sql }) =>
      reply(c, 200, { resent: await resendMessage(sql, params.id, query.endpoint_id ?? null) }),
  );
}

function mountRecovering(router: Router, sql: Sql) {
  const recover = createRecovery(sql);
  router.add(
    {
      method: 'post',
      path: '/api/webhook-endpoints/{id}/recover',
      id: 'recoverWebhookEndpoint',
      tag: 'Webhooks',
      summary: 'Send an endpoint what it has missed since a time',
      description:
        'Everything that its filters let pass and that it was not told: while it was disabled, before it was there, or since the attempts are exhausted. What was delivered is not sent again. One that takes long ends with `next_since`, to go on from there; while one is under way another of the same endpoint is answered 503.',
      access: 'keyed',
      params: endpointParams,
      body: z.strictObject({ since: time() }),
      // Not in one transaction, which would keep the relay waiting. What a run before it sent is not sent again.
      idempotent: { reference: async () => null, waitMs: () => recoverLimits.totalMs },
      answers: {
        200: {
          description: 'They are due now',
          schema: z.object({
            recovered: z.int().describe('How many messages.'),
            next_since: z.iso
              .datetime()
              .nullable()
              .describe('null: that is all. Otherwise there is more: ask again with this as `since`.'),
          }),
        },
      },
      problems: ['endpoint_not_found', 'endpoint_disabled', 'overloaded'],
    },
    async ({ c, params, body }) => {
      const { recovered, nextSince } = await recover(params.id, body.since, goneSignal(c));
      return reply(c, 200, { recovered, next_since: nextSince });
    },
  );
}
