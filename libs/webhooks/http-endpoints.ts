import type { Sql } from '@claimline/db/pool';
import { requiredInteger } from '@claimline/http/fields';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply, replyRaw } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { z } from 'zod';
import type { AllowList } from './allow-list.ts';
import { rotateCallbackSecret } from './callback-secret.ts';
import { changeEndpoint, deleteEndpoint } from './change-endpoint.ts';
import { createEndpoint } from './create-endpoint.ts';
import { endpointFields, endpointParams, endpointSchema, toEndpoint } from './endpoint.ts';
import { listEndpoints, readEndpoint } from './read-endpoint.ts';
import { rotateLimits, rotateSecret } from './rotate-secret.ts';
import type { Seal } from './secret.ts';
import { type Sender, sendFailures } from './send.ts';
import { createTestEndpoint } from './test-endpoint.ts';

type House = { sql: Sql; seal: Seal; allow: AllowList; sender: Sender };

const secretField = z
  .string()
  .describe('Signs what is sent there (Standard Webhooks 1.0). It is shown this once; keep it.');

const rotationSchema = z.strictObject({
  grace_seconds: requiredInteger(0, rotateLimits.graceMostS).default(rotateLimits.graceS),
});
const rotatedText = 'The new secret, and until when those before it sign too';
const rotatedFields = { secret: secretField, previous_until: z.iso.datetime() };

/** Where merchants want to be told: creating endpoints, changing them, their secrets, trying them out. */
export function mountEndpoints(router: Router, house: House) {
  mountCreating(router, house);
  mountReading(router, house);
  mountChanging(router, house);
  mountSecrets(router, house);
  mountTesting(router, house);
}

/** An answer with a secret in it is kept sealed. */
function answerSeal(seal: Seal, owner: string) {
  return {
    seal: (text: string) => seal.seal(Buffer.from(text), owner),
    open: (sealed: string) => seal.open(sealed, owner).toString('utf8'),
  };
}

function mountCreating(router: Router, { seal, allow }: House) {
  const { url, event_types, coupons, description } = endpointFields(allow);
  router.add(
    {
      method: 'post',
      path: '/api/webhook-endpoints',
      id: 'createWebhookEndpoint',
      tag: 'Webhooks',
      summary: 'Create an endpoint',
      access: 'keyed',
      body: z.strictObject({
        url,
        event_types: event_types.default(null),
        coupons: coupons.default(null),
        description: description.default(null),
      }),
      idempotent: 'transaction',
      seal: answerSeal(seal, 'createWebhookEndpoint'),
      answers: {
        201: {
          description: 'The endpoint, with its secret',
          schema: z.object({ ...endpointSchema.shape, secret: secretField }),
        },
      },
      problems: ['endpoints_exhausted'],
    },
    async ({ c, body, sql }) => {
      const { row, secret } = await createEndpoint(sql, seal, body);
      return reply(c, 201, { ...toEndpoint(row), secret }, { Location: `/api/webhook-endpoints/${row.id}` });
    },
  );
}

function mountReading(router: Router, { sql }: House) {
  router.add(
    {
      method: 'get',
      path: '/api/webhook-endpoints',
      id: 'listWebhookEndpoints',
      tag: 'Webhooks',
      summary: 'List endpoints, oldest first',
      access: 'keyed',
      query: z.object(pageQuery),
      answers: {
        200: {
          description: 'A page of endpoints',
          schema: z.object({ data: z.array(endpointSchema), next_cursor: z.string().nullable() }),
        },
      },
    },
    async ({ c, query: { limit, cursor } }) => {
      const rows = await listEndpoints(sql, { limit, after: decodeCursor(cursor, 'string') });
      return reply(
        c,
        200,
        page(rows, limit, row => row.id, toEndpoint),
      );
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/webhook-endpoints/{id}',
      id: 'readWebhookEndpoint',
      tag: 'Webhooks',
      summary: 'Read an endpoint',
      access: 'keyed',
      params: endpointParams,
      answers: { 200: { description: 'The endpoint', schema: endpointSchema } },
      problems: ['endpoint_not_found'],
    },
    async ({ c, params }) => reply(c, 200, toEndpoint(await readEndpoint(sql, params.id))),
  );
}

function mountChanging(router: Router, { sql, allow }: House) {
  const { url, event_types, coupons, description } = endpointFields(allow);
  router.add(
    {
      method: 'patch',
      path: '/api/webhook-endpoints/{id}',
      id: 'changeWebhookEndpoint',
      tag: 'Webhooks',
      summary: 'Change an endpoint; disable it, or enable it again',
      description:
        'What happens while an endpoint is disabled is not sent to it later by itself; `recover` does that.',
      access: 'keyed',
      params: endpointParams,
      body: z.strictObject({
        url: url.optional(),
        event_types: event_types.optional(),
        coupons: coupons.optional(),
        description: description.optional(),
        status: z.enum(['enabled', 'disabled'], { error: 'must be enabled or disabled' }).optional(),
      }),
      answers: { 200: { description: 'The endpoint', schema: endpointSchema } },
      problems: ['endpoint_not_found'],
    },
    async ({ c, params, body }) => reply(c, 200, toEndpoint(await changeEndpoint(sql, params.id, body))),
  );

  router.add(
    {
      method: 'delete',
      path: '/api/webhook-endpoints/{id}',
      id: 'deleteWebhookEndpoint',
      tag: 'Webhooks',
      summary: 'Delete an endpoint',
      access: 'keyed',
      params: endpointParams,
      answers: { 204: { description: 'It is gone' } },
      problems: ['endpoint_not_found'],
    },
    async ({ c, params }) => {
      await deleteEndpoint(sql, params.id);
      return replyRaw(c, 204, null, {});
    },
  );
}

function mountSecrets(router: Router, { seal }: House) {
  router.add(
    {
      method: 'post',
      path: '/api/webhook-endpoints/{id}/rotate-secret',
      id: 'rotateWebhookSecret',
      tag: 'Webhooks',
      summary: 'Give an endpoint a new secret',
      description:
        'During the grace every message is signed with the new secret and with those before it. A grace of 0 is for a secret that somebody else knows.',
      access: 'keyed',
      params: endpointParams,
      body: rotationSchema,
      idempotent: 'transaction',
      seal: answerSeal(seal, 'rotateWebhookSecret'),
      answers: { 200: { description: rotatedText, schema: z.object({ id: z.string(), ...rotatedFields }) } },
      problems: ['endpoint_not_found'],
    },
    async ({ c, params, body, sql }) => {
      const { secret, previousUntil } = await rotateSecret(sql, seal, {
        id: params.id,
        graceS: body.grace_seconds,
      });
      return reply(c, 200, { id: params.id, secret, previous_until: previousUntil.toISOString() });
    },
  );

  router.add(
    {
      method: 'post',
      path: '/api/webhook-callbacks/rotate-secret',
      id: 'rotateCallbackSecret',
      tag: 'Webhooks',
      summary: 'Give the callbacks of claims a new secret',
      description:
        'One secret signs what is sent to the `callback_url` of claims. It was made without being shown, so this is how to learn one. The grace is as for an endpoint.',
      access: 'keyed',
      body: rotationSchema,
      idempotent: 'transaction',
      seal: answerSeal(seal, 'rotateCallbackSecret'),
      answers: { 200: { description: rotatedText, schema: z.object(rotatedFields) } },
    },
    async ({ c, body, sql }) => {
      const { secret, previousUntil } = await rotateCallbackSecret(sql, seal, body.grace_seconds);
      return reply(c, 200, { secret, previous_until: previousUntil.toISOString() });
    },
  );
}

function mountTesting(router: Router, house: House) {
  const testEndpoint = createTestEndpoint(house);
  router.add(
    {
      method: 'post',
      path: '/api/webhook-endpoints/{id}/test',
      id: 'testWebhookEndpoint',
      tag: 'Webhooks',
      summary: 'Send a test message and see what comes of it',
      description:
        'A message of type `webhook.test` is sent once, at once and by this process, whether or not the endpoint is enabled or wants the type. The answer says what the endpoint answered.',
      access: 'keyed',
      params: endpointParams,
      body: z.strictObject({}),
      answers: {
        200: {
          description: 'What came of it',
          schema: z.object({
            message_id: z.string(),
            delivered: z.boolean().describe('Whether a status from 200 to 299 came back.'),
            status: z.int().nullable(),
            failure: z.enum(sendFailures).nullable().describe('Why there is no status.'),
            code: z.string().nullable().describe('What the system calls the failure.'),
            body: z.string().describe('The start of the answer.'),
            duration_ms: z.int(),
          }),
        },
      },
      problems: ['endpoint_not_found', 'overloaded'],
    },
    async ({ c, params }) => {
      const { messageId, status, failure, code, body, durationMs } = await testEndpoint(params.id);
      const delivered = status !== null && status >= 200 && status < 300;
      return reply(c, 200, {
        message_id: messageId,
        delivered,
        status,
        failure,
        code,
        body,
        duration_ms: durationMs,
      });
    },
  );
}
