import type { OpenAPIRegistry, RouteConfig } from '@asteasolutions/zod-to-openapi';
import { problems } from '@claimline/kernel/error';
import { z } from 'zod';
import { toJsonSchema } from './json-schema.ts';
import { pageLimits } from './page.ts';

/** What a route cannot say of itself in its schemas. Keys are statuses where not said otherwise. */
export type OperationNote = {
  /** A body that a reader may send as it is. */
  body?: unknown;
  /** An example of an answer. */
  answers?: Record<number, unknown>;
  /** Headers of an answer, beside those that follow from its status; names of {@link headers}. */
  headers?: Record<number, HeaderName[]>;
  /** Request headers, by name, with what they do. */
  requestHeaders?: Record<string, string>;
  /** Descriptions of answers that the list of codes alone would get wrong. */
  descriptions?: Record<number, string>;
};

type HeaderName = keyof typeof headers;
type Json = Record<string, unknown>;

const seconds = { type: 'integer', minimum: 1 };
const headers = {
  'X-Request-Id': {
    description: "The request's id: the caller's own when it is sane.",
    schema: { type: 'string' },
  },
  Location: { description: 'The address of the ticket.', schema: { type: 'string' } },
  'Content-Location': { description: 'The address of what the body shows.', schema: { type: 'string' } },
  'Retry-After': { description: 'Seconds after which to ask again.', schema: seconds },
  'Preference-Applied': {
    description: 'With `Prefer: wait=N`: the wait that was granted.',
    schema: { type: 'string', examples: ['wait=5'] },
  },
  ETag: { description: 'Changes with the answer; send it as If-None-Match.', schema: { type: 'string' } },
  'Cache-Control': { description: 'Who may keep the answer, and how long.', schema: { type: 'string' } },
} as const;

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
  })
  .meta({ id: 'Problem' });

/** Query fields of every list, as the numbers that people mean and not as the text that is sent. */
const listQuery: Record<string, Json> = {
  limit: { type: 'integer', minimum: 1, maximum: pageLimits.most, default: pageLimits.fallback },
  cursor: { type: 'string', description: '`next_cursor` of the page before.' },
};

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
      headers,
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

type ToSchema = (schema: z.ZodType, io: 'input' | 'output') => unknown;

function toOperation(route: RouteConfig, note: OperationNote, toSchema: ToSchema): Json {
  const { params, query, headers: requestHeaders, body } = route.request ?? {};
  const parameters = [
    ...toParameters('path', params, toSchema),
    ...toParameters('query', query, toSchema),
    ...toParameters('header', requestHeaders, toSchema),
    ...Object.entries(note.requestHeaders ?? {}).map(([name, description]) => ({
      name,
      in: 'header',
      required: false,
      description,
      schema: { type: 'string' },
    })),
  ];
  return {
    operationId: route.operationId,
    tags: route.tags,
    summary: route.summary,
    ...(route.description && { description: route.description }),
    security: route.security ?? [],
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: true,
        content: toContent(body.content as never, note.body, toSchema, 'input'),
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.responses).map(([status, answer]) => [
          status,
          toAnswer(Number(status), answer as Answer, note, toSchema),
        ]),
      ),
      default: {
        description: 'Any other problem; `internal` is a mistake of ours.',
        headers: refs(['X-Request-Id']),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

type Content = Record<string, { schema: z.ZodType | Json }>;
type Answer = { description: string; content?: Content };

function toAnswer(status: number, answer: Answer, note: OperationNote, toSchema: ToSchema): Json {
  const isProblem = answer.content !== undefined && 'application/problem+json' in answer.content;
  const names: HeaderName[] = ['X-Request-Id', ...(note.headers?.[status] ?? [])];
  if (status === 202) names.push('Location', 'Retry-After');
  if (status === 503 && isProblem) names.push('Retry-After');
  return {
    description: note.descriptions?.[status] ?? answer.description,
    headers: refs(names),
    ...(answer.content && { content: toContent(answer.content, note.answers?.[status], toSchema, 'output') }),
  };
}

function toContent(content: Content, example: unknown, toSchema: ToSchema, io: 'input' | 'output'): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema }]) => [
      type,
      {
        schema: schema instanceof z.ZodType ? toSchema(schema, io) : schema,
        ...(example !== undefined && { example }),
      },
    ]),
  );
}

function toParameters(place: 'path' | 'query' | 'header', schema: unknown, toSchema: ToSchema): Json[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const { properties = {}, required = [] } = toSchema(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = { ...property, ...(place === 'query' && listQuery[name]) };
    return {
      name: place === 'header' ? headerName(name) : name,
      in: place,
      required: place === 'path' || required.includes(name),
      ...(description !== undefined && { description }),
      schema: rest,
    };
  });
}

/** `if-none-match` as it is usually written. */
function headerName(name: string): string {
  return name.replaceAll(/(^|-)[a-z]/g, letters => letters.toUpperCase());
}

function refs(names: HeaderName[]): Json {
  return Object.fromEntries(names.map(name => [name, { $ref: `#/components/headers/${name}` }]));
}
