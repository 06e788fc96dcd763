import type { OpenAPIRegistry } from '@asteasolutions/zod-to-openapi';
import { problems } from '@claimline/kernel/error';
import { z } from 'zod';
import { toJsonSchema } from './json-schema.ts';
import { answerHeaders, type Json, type OperationNote, toOperation } from './openapi-operation.ts';

const problemSchema = z
  .object({
    type: z.string().describe('The address of what the code means.'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(problems) as [string, ...string[]]),
    error: z.string().describe('One sentence, for clients that read only that.'),
    request_id: z.string(),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Every wrong field.'),
    ticket: z.string().optional().describe('With `already_claimed`: the ticket of the claim that is held.'),
    locked_until: z.iso.datetime().optional().describe('With `code_locked`.'),
    seats: z
      .array(z.string())
      .optional()
      .describe(
        'With `seat_taken`, `stale_seat`, `seat_not_found` and `seat_exists`: the numbers of the seats.',
      ),
    reason: z
      .string()
      .nullable()
      .optional()
      .describe("With `payment_failed` and `refund_failed`: why, mostly in the payment provider's word."),
    available: z
      .array(z.string())
      .optional()
      .describe('With `payment_method_unavailable`: the methods that are offered here.'),
    refundable_amount: z
      .int()
      .optional()
      .describe('With a refund that is refused: what can be given back, in minor units.'),
    redeemed_at: z.iso.datetime().optional().describe('With `code_redeemed`.'),
    created: z
      .int()
      .optional()
      .describe(
        'How many codes there are after all, with `codes_exhausted` and an upload that is refused on its way.',
      ),
    skipped: z.int().optional().describe('Likewise, how many existed already.'),
  })
  .meta({ id: 'Problem' });

/**
 * The OpenAPI 3.1 document of the registered routes. Schemas are zod's own JSON Schema, which is what
 * OpenAPI 3.1 uses; those with an `id` become components.
 *
 * @param notes by operation id
 * @param tags what each tag is about, in the order in which a reader should meet them
 */
export function createDocument(
  registry: OpenAPIRegistry,
  {
    version,
    notes,
    tags,
  }: { version: string; notes: Record<string, OperationNote>; tags: Record<string, string> },
) {
  const schemas: Json = {};
  const paths: Record<string, Json> = {};
  const toSchema = (schema: z.ZodType, io: 'input' | 'output') => toJsonSchema(schema, io, schemas);
  toSchema(problemSchema, 'output');
  for (const definition of registry.definitions) {
    if (definition.type !== 'route') continue;
    const { route } = definition;
    paths[route.path] ??= {};
    (paths[route.path] as Json)[route.method] = toOperation(
      route,
      notes[String(route.operationId)] ?? {},
      toSchema,
    );
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Claimline',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Hands out limited stock under a stampede: claim, hold a ticket, learn the outcome. ' +
        'Errors are RFC 9457 problem details with a `code` from a [closed list](/docs/problems).',
    },
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas,
      headers: answerHeaders,
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'An operator key. Not needed on a loopback address when none is configured.',
        },
      },
    },
  };
}
