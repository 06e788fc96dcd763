import type { RouteConfig } from '@asteasolutions/zod-to-openapi';
import { z } from 'zod';

/** What a route cannot say of itself in its schemas. Keys are statuses where not said otherwise. */
export type OperationNote = {
  /** A body that a reader may send as it is. */
  body?: unknown;
  /** The same for a call that takes a stream of another type. */
  stream?: string;
  /** The same for a call that reads its body as it came, and so declares none. */
  raw?: unknown;
  /** An example of an answer. */
  answers?: Record<number, unknown>;
  /** Headers of an answer, beside those that follow from its status; names of {@link answerHeaders}. */
  headers?: Record<number, HeaderName[]>;
  /** Request headers, by name, with what they do. */
  requestHeaders?: Record<string, string>;
  /** Descriptions of answers that the list of codes alone would get wrong. */
  descriptions?: Record<number, string>;
};

type HeaderName = keyof typeof answerHeaders;
export type Json = Record<string, unknown>;

const seconds = { type: 'integer', minimum: 1 };
/** The headers of answers that mean something to a client. */
export const answerHeaders = {
  'X-Request-Id': {
    description: "The request's id: the caller's own when it is sane.",
    schema: { type: 'string' },
  },
  Location: {
    description: 'The address of what was made: a ticket, a run, an endpoint.',
    schema: { type: 'string' },
  },
  'Content-Location': { description: 'The address of what the body shows.', schema: { type: 'string' } },
  'Retry-After': { description: 'Seconds after which to ask again.', schema: seconds },
  'Preference-Applied': {
    description: 'With `Prefer: wait=N`: the wait that was granted.',
    schema: { type: 'string', examples: ['wait=5'] },
  },
  'Idempotent-Replayed': {
    description: '`true`: the first answer to this Idempotency-Key, once more.',
    schema: { type: 'string', const: 'true' },
  },
  ETag: { description: 'Changes with the answer; send it as If-None-Match.', schema: { type: 'string' } },
  'Cache-Control': { description: 'Who may keep the answer, and how long.', schema: { type: 'string' } },
} as const;

/** A zod schema as JSON Schema, for what a caller sends or gets. */
export type ToSchema = (schema: z.ZodType, io: 'input' | 'output') => unknown;

/** One call as an operation object: what it takes, and everything it may answer. */
export function toOperation(route: RouteConfig, note: OperationNote, toSchema: ToSchema): Json {
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
  const isIdempotent = parameters.some(({ name }) => name === 'Idempotency-Key');
  return {
    operationId: route.operationId,
    tags: route.tags,
    summary: route.summary,
    ...(route.description && { description: route.description }),
    security: route.security ?? [],
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: body.required ?? true,
        content: toContent(body.content as never, note.body, toSchema, 'input', note.stream),
      },
    }),
    ...(note.raw !== undefined && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: { type: 'object' }, example: note.raw } },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.responses).map(([status, answer]) => [
          status,
          toAnswer(Number(status), answer as Answer, isIdempotent, note, toSchema),
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

/** Answers given before the work begins, or by a store that is away, are never those of a key. */
const neverReplayed = [401, 413, 415, 422, 503];

function toAnswer(
  status: number,
  answer: Answer,
  isIdempotent: boolean,
  note: OperationNote,
  toSchema: ToSchema,
): Json {
  const isProblem = answer.content !== undefined && 'application/problem+json' in answer.content;
  const names: HeaderName[] = ['X-Request-Id', ...(note.headers?.[status] ?? [])];
  if (status === 202) names.push('Location', 'Retry-After');
  if (status === 503 && isProblem) names.push('Retry-After');
  if (isIdempotent && status === 409) names.push('Retry-After');
  if (isIdempotent && !neverReplayed.includes(status)) names.push('Idempotent-Replayed');
  return {
    description: note.descriptions?.[status] ?? answer.description,
    headers: refs(names),
    ...(answer.content && { content: toContent(answer.content, note.answers?.[status], toSchema, 'output') }),
  };
}

function toContent(
  content: Content,
  example: unknown,
  toSchema: ToSchema,
  io: 'input' | 'output',
  text: string | undefined = undefined,
): Json {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema }]) => [
      type,
      {
        schema: schema instanceof z.ZodType ? toSchema(schema, io) : schema,
        ...(example !== undefined && { example: text && type !== 'application/json' ? text : example }),
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
    const { description, ...rest } = property;
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
