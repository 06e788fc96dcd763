import { OpenAPIRegistry } from '@asteasolutions/zod-to-openapi';
import { AppError, type ProblemCode, problems } from '@claimline/kernel/error';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { RegExpRouter } from 'hono/router/reg-exp-router';
import { z } from 'zod';
import { allowStream } from './arrivals.ts';
import { readJson } from './body.ts';
import { parseFields } from './fields.ts';
import type { Idempotency, Idempotent, Means } from './idempotency.ts';
import {
  type AnswerSeal,
  isKeyed,
  keyLimits,
  keyMissing,
  keyWithStream,
  readKeyedRequest,
} from './idempotency-key.ts';
import { beforeTurningAway, type Load, overloadedProblem } from './load.ts';
import { problemResponse, replyProblem } from './problem.ts';
import { type Env, header } from './scope.ts';

/** Who may call: anybody, or somebody with a key. */
export type Access = 'public' | 'keyed';

/** One call of the API: what is checked and what the OpenAPI document says come from here. */
export type Operation<Params, Query, Body> = {
  method: 'get' | 'post' | 'patch' | 'delete';
  /** With parameters in braces: /api/coupons/{name}. */
  path: string;
  id: string;
  tag: string;
  summary: string;
  description?: string;
  access: Access;
  /** Answered when everything else is refused: for those who watch the process. */
  isVital?: boolean;
  params?: Params;
  query?: Query;
  body?: Body;
  headers?: z.ZodObject;
  /** The largest JSON body, where it is another than usual. */
  bodyBytes?: number;
  /** A content type that may come in place of JSON: the handler reads it from c.env.incoming, and its body is undefined. */
  stream?: string;
  /** Takes an Idempotency-Key (one with a stream is refused), and how the promise is kept; for every POST that creates, charges or redeems. */
  idempotent?: Idempotent<Input<Params, Query, Body>>;
  /** For a call whose answer shows a secret: what is kept of it under an Idempotency-Key is sealed. */
  seal?: AnswerSeal;
  answers: Record<number, { description: string; schema?: z.ZodType; type?: string }>;
  problems?: readonly ProblemCode[];
};

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** What a handler gets: its fields, checked, and what to write with. */
export type Input<Params, Query, Body> = {
  c: Context<Env>;
  params: Parsed<Params>;
  query: Parsed<Query>;
  body: Parsed<Body>;
} & Means;

/** What happens around every call; given by the app, so that this house stays without opinions. */
export type Around = {
  /** Counts requests, and says when there are too many. */
  load: Load;
  /** Throws an AppError when the caller may not. */
  authorize(c: Context<Env>, access: Access): void;
  /** Answers requests that carry a key. */
  idempotency: Idempotency;
  /** Makes an expected failure of what a store threw; what it does not know it gives back. */
  translate(error: unknown): unknown;
  /** Told after every answer: route template, seconds, and the error that made it, if any. */
  observe(c: Context<Env>, route: string, response: Response, startedMs: number, error: unknown): void;
};

/**
 * The app's routes and their OpenAPI registry. Paths with and without parameters are apps of their
 * own: together (`/api/coupons/claim`, `/api/coupons/:name/claims`) they would drive Hono from its
 * one regular expression to its tree, which costs 4 % of a refusal.
 */
export function createRouter(around: Around) {
  const literal = new Hono<Env>({ router: new RegExpRouter() });
  const pattern = new Hono<Env>({ router: new RegExpRouter() });
  const literals = new Set<string>();
  const registry = new OpenAPIRegistry();
  const routes: { method: string; matches: RegExp }[] = [];

  for (const app of [literal, pattern]) {
    app.notFound(c => {
      // Written in another way than usual: percent-encoded, or with scheme and host in front.
      if (app === pattern && literals.has(`${methodOf(c.req.method)} ${c.req.path}`))
        return literal.fetch(c.req.raw, c.env);
      const allowed = routes.filter(route => route.matches.test(c.req.path)).map(route => route.method);
      if (allowed.length === 0)
        return replyProblem(c, { code: 'not_found', message: 'there is nothing at this address' });
      const allow = [...new Set(allowed)].join(', ');
      return replyProblem(
        c,
        { code: 'method_not_allowed', message: `only ${allow} is answered here` },
        { Allow: allow },
      );
    });
    app.onError((error, c) => problemResponse(c, around.translate(error)));
  }

  function add<
    Params extends z.ZodObject | undefined = undefined,
    Query extends z.ZodObject | undefined = undefined,
    Body extends z.ZodType | undefined = undefined,
  >(
    operation: Operation<Params, Query, Body>,
    handle: (input: Input<Params, Query, Body>) => Response | Promise<Response>,
  ) {
    const { access, isVital, params, query, idempotent } = operation;
    const route = operation.path.replaceAll(/\{(\w+)\}/g, ':$1');
    const { observe, idempotency, load } = around;
    const kind = isVital ? 'vital' : access;
    const mayBeEmpty = !needsBody(operation.body);

    const method = operation.method.toUpperCase();
    const app = route.includes(':') ? pattern : literal;
    if (app === literal) literals.add(`${method} ${route}`);
    app.on(method, route, async function answer(c) {
      const startedMs = performance.now();
      let response: Response;
      let failure: unknown;
      try {
        response = await respond(c);
      } catch (error) {
        failure = isCutOff(c) ? cutOff : around.translate(error);
        response = problemResponse(c, failure);
      }
      observe(c, operation.path, response, startedMs, failure);
      return response;
    });

    async function respond(c: Context<Env>): Promise<Response> {
      if (load.isFull(kind)) return turnAway(c);
      around.authorize(c, access);
      const paramFields = params && parseFields(params, c.req.param());
      const queryFields = query && parseFields(query, withoutEmpty(c.req.query()));
      const isStream = operation.stream !== undefined && isOfType(c, operation.stream);
      if (isStream) allowStream(c.env.incoming);
      const body = isStream ? undefined : operation.body;
      const sent: unknown = body && (await readJson(c, { limitBytes: operation.bodyBytes, mayBeEmpty }));
      const input = {
        c,
        params: paramFields,
        query: queryFields,
        body: body && parseFields(body, sent),
        sql: idempotency.sql,
        run: undefined,
      } as Input<Params, Query, Body>;
      // Counted from here, so that who is slow to send a body takes nobody's place.
      // At once: a body is in hand already.
      if (!load.enter(kind)) return replyProblem(c, overloadedProblem());
      try {
        if (idempotent === undefined || isStream || !isKeyed(c)) {
          if (needsKey(idempotent)) throw keyMissing();
          if (idempotent !== undefined && isStream && isKeyed(c)) throw keyWithStream();
          return await handle(input);
        }
        const request = readKeyedRequest(c, operation.id, [input.params, input.query, sent]);
        const sealed = { ...request, seal: operation.seal };
        return await idempotency.answer(c, sealed, idempotent, input, handle);
      } finally {
        load.leave(kind);
      }
    }

    routes.push({ method, matches: new RegExp(`^${route.replaceAll(/:\w+/g, '[^/]+')}$`) });
    describe(registry, operation as Operation<z.ZodObject, z.ZodObject, z.ZodType>);
  }

  return {
    registry,
    add,
    /** A file that pages load; not a call of the API, so the document does not name it. */
    addAsset(path: string, handle: (c: Context<Env>) => Response) {
      literals.add(`GET ${path}`);
      routes.push({ method: 'GET', matches: new RegExp(`^${path}$`) });
      literal.get(path, handle);
    },
    /** Answers a request of Node's server. */
    fetch(request: Request, env: HttpBindings): Response | Promise<Response> {
      const url = env.incoming.url ?? '';
      const end = url.indexOf('?');
      const path = end < 0 ? url : url.slice(0, end);
      return (literals.has(`${methodOf(env.incoming.method)} ${path}`) ? literal : pattern).fetch(
        request,
        env,
      );
    },
  };
}

export type Router = ReturnType<typeof createRouter>;

async function turnAway(c: Context<Env>): Promise<Response> {
  await beforeTurningAway();
  return replyProblem(c, overloadedProblem());
}

/** Whether the sender went away, or was too slow, before the body had come: whatever that made fail is not our mistake. */
function isCutOff(c: Context<Env>): boolean {
  return c.env.incoming.destroyed && !c.env.incoming.complete;
}
const cutOff = new AppError('invalid_request', 'the request was cut off');

/** Where no field is required, no body is as good as `{}`. */
function needsBody(body: z.ZodType | undefined): boolean {
  return body !== undefined && !body.safeParse({}).success;
}

function needsKey<Input>(idempotent: Idempotent<Input> | undefined): boolean {
  return typeof idempotent === 'object' && idempotent.isRequired === true;
}

/** `?cursor=` says no more than no cursor does. */
function withoutEmpty(fields: Record<string, string>): Record<string, string> {
  for (const name in fields) if (fields[name] === '') delete fields[name];
  return fields;
}

/** A HEAD is answered as a GET, without its body. */
function methodOf(method: string | undefined): string {
  return method === 'HEAD' ? 'GET' : (method ?? '');
}

function keyField(isRequired: boolean) {
  const field = z
    .string()
    .min(1)
    .max(keyLimits.lengthMost)
    .describe(
      'A value of your own for this request, such as a UUID, kept 24 hours: the same key with the same body ' +
        'gets the first answer again, and the work is done once. Not kept is what says to come back: 5xx, ' +
        'and refusals with Retry-After. A key belongs to its credentials and its call; all callers without ' +
        'credentials share theirs, so a key that somebody else may choose too is answered 422.',
    );
  return isRequired ? field : field.optional();
}

/** Codes that any call with the given parts may answer. */
function problemsOf(operation: Operation<unknown, unknown, unknown>): ProblemCode[] {
  const codes: ProblemCode[] = [...(operation.problems ?? [])];
  if (operation.params || operation.query || operation.body) codes.push('invalid_request');
  if (operation.body) codes.push('payload_too_large', 'unsupported_media_type');
  if (operation.idempotent) codes.push('invalid_request', 'idempotency_key_in_use', 'idempotency_key_reused');
  if (operation.access === 'keyed') codes.push('unauthorized', 'forbidden');
  return [...new Set<ProblemCode>([...codes, 'overloaded', 'unavailable'])];
}

function describe(registry: OpenAPIRegistry, operation: Operation<z.ZodObject, z.ZodObject, z.ZodType>) {
  const { params, query, body } = operation;
  const headers = operation.idempotent
    ? z.object({ ...operation.headers?.shape, 'idempotency-key': keyField(needsKey(operation.idempotent)) })
    : operation.headers;
  const answers = Object.entries(operation.answers).map(([status, { description, schema, type }]) => [
    status,
    { description, ...(schema && { content: { [type ?? 'application/json']: { schema } } }) },
  ]);
  const byStatus = groupByStatus(problemsOf(operation));
  const failures = [...byStatus].map(([status, codes]) => [
    String(status),
    {
      description: codes.map(code => `\`${code}\` ${problems[code].title}`).join('; '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ]);
  registry.registerPath({
    method: operation.method,
    path: operation.path,
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description && { description: operation.description }),
    ...(operation.access === 'keyed' && { security: [{ key: [] }] }),
    request: {
      ...(params && { params }),
      ...(query && { query }),
      ...(headers && { headers: headers as never }),
      ...(body && {
        body: {
          required: needsBody(body),
          content: {
            'application/json': { schema: body },
            ...(operation.stream && { [operation.stream]: { schema: z.string() } }),
          },
        },
      }),
    },
    responses: Object.fromEntries([...failures, ...answers]),
  });
}

/** `wait` of the Prefer header in whole seconds (RFC 7240), or null; 0 is no wait. */
export function preferredWaitSeconds(c: Context<Env>, most: number): number | null {
  const prefer = header(c, 'prefer');
  const wait = prefer === undefined ? null : /(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})"?/i.exec(prefer);
  const seconds = Math.min(most, Number(wait?.[1] ?? 0));
  return seconds > 0 ? seconds : null;
}

/** Whether the caller would rather have a place to look than wait (RFC 7240). */
export function prefersAsync(c: Context<Env>): boolean {
  return /(?:^|[,;\s])respond-async(?:$|[,;\s])/i.test(header(c, 'prefer') ?? '');
}

function isOfType(c: Context<Env>, type: string): boolean {
  return header(c, 'content-type')?.split(';', 1)[0]?.trim().toLowerCase() === type;
}

function groupByStatus(codes: ProblemCode[]): Map<number, ProblemCode[]> {
  const groups = new Map<number, ProblemCode[]>();
  for (const code of codes)
    groups.set(problems[code].status, [...(groups.get(problems[code].status) ?? []), code]);
  return groups;
}
