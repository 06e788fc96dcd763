import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';

type Json = Record<string, unknown>;
type Content = Record<string, { schema?: Json; example?: unknown }>;
type Said = { description: string; headers?: Json; content?: Content };
type Operation = {
  operationId: string;
  tags: string[];
  parameters?: { name: string; in: string; schema: Json }[];
  requestBody?: { content: Content };
  responses: Record<string, Said>;
};
type Document = {
  openapi: string;
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Json; headers: Json };
};

/** The contract: each call, and what it may answer, with the codes of its problems. */
const contract: Record<string, Record<number, string[]>> = {
  'POST /api/coupons': {
    201: [],
    400: ['invalid_request'],
    401: ['unauthorized'],
    409: ['coupon_exists'],
    413: ['payload_too_large'],
    415: ['unsupported_media_type'],
    503: ['unavailable'],
  },
  'GET /api/coupons': { 200: [], 400: ['invalid_request'], 401: ['unauthorized'], 503: ['unavailable'] },
  'GET /api/coupons/{name}': {
    200: [],
    401: ['unauthorized'],
    404: ['coupon_not_found'],
    503: ['unavailable'],
  },
  'PATCH /api/coupons/{name}': {
    200: [],
    400: ['invalid_request'],
    401: ['unauthorized'],
    404: ['coupon_not_found'],
    409: ['below_granted'],
    413: ['payload_too_large'],
    415: ['unsupported_media_type'],
    503: ['unavailable'],
  },
  'GET /api/coupons/{name}/claims': {
    200: [],
    400: ['invalid_request'],
    401: ['unauthorized'],
    404: ['coupon_not_found'],
    503: ['unavailable'],
  },
  'GET /api/coupons/{name}/line': { 200: [], 404: ['coupon_not_found'], 503: ['unavailable'] },
  'POST /api/coupons/{name}/claims': {
    200: [],
    202: [],
    400: ['invalid_request'],
    404: ['coupon_not_found'],
    409: ['already_claimed', 'sold_out', 'not_started', 'ended', 'paused'],
    413: ['payload_too_large'],
    415: ['unsupported_media_type'],
    503: ['overloaded', 'unavailable'],
  },
  'POST /api/coupons/claim': {
    200: [],
    202: [],
    400: ['invalid_request', 'sold_out'],
    404: ['coupon_not_found'],
    409: ['already_claimed', 'not_started', 'ended', 'paused'],
    413: ['payload_too_large'],
    415: ['unsupported_media_type'],
    503: ['overloaded', 'unavailable'],
  },
  'GET /api/tickets/{ticket}': {
    200: [],
    304: [],
    400: ['invalid_request'],
    404: ['ticket_not_found'],
    410: ['ticket_lost'],
    503: ['unavailable'],
  },
  'GET /api/tickets/{ticket}/events': {
    200: [],
    404: ['ticket_not_found'],
    410: ['ticket_lost'],
    503: ['unavailable'],
  },
  'GET /api/users/{user_id}/claims': {
    200: [],
    400: ['invalid_request'],
    401: ['unauthorized'],
    503: ['unavailable'],
  },
  'GET /health': { 200: [], 503: [] },
  'GET /livez': { 200: [] },
  'GET /readyz': { 200: [], 503: [] },
  'GET /metrics': { 200: [], 401: ['unauthorized'] },
  'GET /openapi.json': { 200: [] },
  'GET /docs': { 200: [] },
  'GET /docs/problems': { 200: [] },
};

/** Headers that mean something to a client: where one is sent, the document says so. */
const telling = ['location', 'content-location', 'retry-after', 'preference-applied', 'etag', 'x-request-id'];

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let api: Process;
let worker: Process;
let base: string;
let document: Document;

beforeAll(async () => {
  database = await createProcessDatabase();
  api = startProcess('api', { DATABASE_URL: database.url, PORT: '0' });
  worker = startProcess('worker', { DATABASE_URL: database.url });
  base = await api.ready;
  await worker.ready;
  document = (await (await fetch(`${base}/openapi.json`)).json()) as Document;
});
afterAll(async () => {
  await Promise.all([api.stop(), worker.stop()]);
  await database.drop();
});

/** The check that a schema of the document stands for; fields that it does not name are refused. */
function checkOf(schema: Json): z.ZodType {
  const close = (text: string) =>
    JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/'), (_key, node) =>
      node?.type === 'object' && node.properties && node.additionalProperties === undefined
        ? { ...node, additionalProperties: false }
        : node,
    );
  return z.fromJSONSchema(close(JSON.stringify({ ...schema, $defs: document.components.schemas })));
}

function operationsOf({ paths }: Document): [call: string, operation: Operation][] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
}

describe('the document', () => {
  test('names exactly the calls of the contract', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(
      operationsOf(document)
        .map(([call]) => call)
        .sort(),
    ).toEqual(Object.keys(contract).sort());
  });

  test.each(Object.entries(contract))('%s answers what the contract says', (call, answers) => {
    const { responses } = operationsOf(document).find(([found]) => found === call)![1];
    for (const [status, codes] of Object.entries(answers)) {
      const { description = '' } = responses[status] ?? {};
      expect(description, `${status} of ${call}`).not.toBe('');
      const named = [...description.matchAll(/`(\w+)`/g)].map(match => match[1]);
      if (codes.length > 0) expect(named.sort(), `${status} of ${call}`).toEqual([...codes].sort());
    }
    expect(responses).toHaveProperty('default');
  });

  test('has one id for each operation, and known tags', () => {
    const ids = operationsOf(document).map(([, operation]) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const tags = document.tags.map(tag => tag.name);
    for (const [call, operation] of operationsOf(document))
      expect(tags, call).toEqual(expect.arrayContaining(operation.tags));
  });

  test('every reference leads somewhere, and every parameter of a path is described', () => {
    const targets = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g)];
    expect(targets.length).toBeGreaterThan(50);
    for (const [, kind, name] of targets)
      expect(document.components, `${kind}/${name}`).toHaveProperty([kind!, name!]);
    for (const [call, { parameters = [] }] of operationsOf(document)) {
      const inPath = parameters.filter(parameter => parameter.in === 'path').map(({ name }) => name);
      expect(inPath, call).toEqual([...call.matchAll(/\{(\w+)\}/g)].map(match => match[1]));
    }
  });

  test('has an example for every main call, and each is valid', () => {
    let seen = 0;
    for (const [call, { requestBody, responses }] of operationsOf(document))
      for (const [where, content] of [
        ['body', requestBody?.content],
        ...Object.entries(responses).map(([status, answer]) => [status, answer.content] as const),
      ] as const)
        for (const { schema, example } of Object.values(content ?? {})) {
          if (where === 'body') expect(example, `${call} has an example body`).toBeDefined();
          if (example === undefined) continue;
          expect(checkOf(schema!).safeParse(example).error?.issues ?? [], `${call} ${where}`).toEqual([]);
          seen++;
        }
    expect(seen).toBeGreaterThan(12);
  });

  test('the headers of waiting and of streams are in it', () => {
    const of = (call: string) => operationsOf(document).find(([found]) => found === call)![1];
    const headersOf = (call: string, status: number) =>
      Object.keys(of(call).responses[status]?.headers ?? {});
    const asked = (call: string) =>
      (of(call).parameters ?? []).filter(({ in: place }) => place === 'header').map(({ name }) => name);
    expect(asked('POST /api/coupons/{name}/claims')).toEqual(['Prefer']);
    expect(asked('GET /api/tickets/{ticket}')).toEqual(['Prefer', 'If-None-Match']);
    expect(headersOf('POST /api/coupons/{name}/claims', 202)).toEqual(
      expect.arrayContaining(['Location', 'Retry-After', 'Preference-Applied']),
    );
    expect(headersOf('POST /api/coupons/{name}/claims', 503)).toContain('Retry-After');
    expect(headersOf('GET /api/tickets/{ticket}', 200)).toEqual(
      expect.arrayContaining(['ETag', 'Retry-After']),
    );
    expect(Object.keys(of('GET /api/tickets/{ticket}/events').responses[200]!.content!)).toEqual([
      'text/event-stream',
    ]);
  });
});

describe('real answers are as the document says', () => {
  type Sent = { body?: unknown; headers?: Record<string, string>; raw?: string };

  /** Sends a call of the contract, with `in` for the parameters of its path, and holds the answer against the document. */
  async function send(
    call: string,
    status: number,
    inPath: Json = {},
    { body, headers, raw }: Sent = {},
    query = '',
  ) {
    const [method = '', template = ''] = call.split(' ');
    const path = template.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(inPath[name])));
    const answer = await fetch(base + path + query, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...((body !== undefined || raw !== undefined) && { body: raw ?? JSON.stringify(body) }),
    });
    const text = await answer.text();
    const about = `${call} ${query} -> ${answer.status} ${text.slice(0, 300)}`;
    expect(answer.status, about).toBe(status);
    const said = document.paths[template]?.[method.toLowerCase()]?.responses[status];
    expect(said, about).toBeDefined();

    const documented = Object.keys(said!.headers ?? {}).map(name => name.toLowerCase());
    for (const name of telling)
      if (answer.headers.has(name)) expect(documented, `${name} of ${about}`).toContain(name);
    if (status === 202)
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        location: expect.any(String),
        'retry-after': expect.stringMatching(/^\d+$/),
      });

    const type = answer.headers.get('content-type')?.split(';')[0] ?? '';
    if (status === 304) return { answer, body: {} as Json };
    expect(Object.keys(said!.content ?? {}), about).toContain(type);
    if (!type.endsWith('json')) return { answer, body: {} as Json };
    const parsed: Json = JSON.parse(text);
    const { schema } = said!.content![type]!;
    expect(checkOf(schema!).safeParse(parsed).error?.issues ?? [], about).toEqual([]);
    return { answer, body: parsed };
  }

  test('coupons', async () => {
    const create = 'POST /api/coupons';
    const name = 'a name/with ünicode';
    const full = {
      name,
      amount: 5,
      starts_at: '2020-01-01T00:00:00+02:00',
      ends_at: '2100-01-01T00:00:00Z',
      per_user_limit: 2,
      lock_ttl_seconds: 60,
      max_redemptions_per_code: null,
      discount: { type: 'percentage', value: 12.5, max_amount: 500, minimum_order_value: 0, currency: 'EUR' },
      metadata: { a: [1, { b: null }], 'c d': 'é' },
    };
    await send(create, 201, {}, { body: full });
    await send(create, 409, {}, { body: full });
    await send(create, 400, {}, { body: {} });
    await send(create, 400, {}, { raw: '{', headers: { 'content-type': 'application/json' } });
    await send(create, 413, {}, { body: { name: 'x'.repeat(1_100_000), amount: 1 } });
    await send(create, 415, {}, { raw: 'x', headers: { 'content-type': 'text/plain' } });
    await send(create, 201, {}, { body: { name: 'second', amount: 1 } });
    await send('GET /api/coupons/{name}', 200, { name });
    await send('GET /api/coupons/{name}', 404, { name: 'nowhere' });
    await send('GET /api/coupons', 200, {}, {}, '?limit=1&status=active');
    await send('GET /api/coupons', 400, {}, {}, '?limit=0');
    const change = 'PATCH /api/coupons/{name}';
    await send(change, 200, { name }, { body: { amount: 6, starts_at: null, discount: null } });
    await send(change, 400, { name }, { body: { amount: 0 } });
    await send(change, 404, { name: 'nowhere' }, { body: { amount: 1 } });
    await send('GET /api/coupons/{name}/line', 200, { name });
    await send('GET /api/coupons/{name}/line', 404, { name: 'nowhere' });
  });

  test('claims, with the example that the document gives', async () => {
    const claim = 'POST /api/coupons/{name}/claims';
    const exampleOf = (template: string) =>
      document.paths[template]!.post!.requestBody!.content['application/json']!.example as Json;
    const example = { ...exampleOf('/api/coupons'), starts_at: null, ends_at: null, amount: 2 };
    const { name } = (await send('POST /api/coupons', 201, {}, { body: example })).body as { name: string };
    const first = await send(
      claim,
      200,
      { name },
      { body: exampleOf('/api/coupons/{name}/claims'), headers: { prefer: 'wait=10' } },
    );
    expect(first.answer.headers.get('preference-applied')).toBe('wait=10');
    expect(first.body).toMatchObject({ status: 'granted', user_id: 'ada' });
    await send(claim, 409, { name }, { body: { user_id: 'ada' } });
    await send(claim, 400, { name }, { body: { user_id: '' } });
    await send(claim, 404, { name: 'nowhere' }, { body: { user_id: 'ada' } });
    await send(claim, 413, { name }, { body: { user_id: 'x'.repeat(1_100_000) } });
    await send(claim, 415, { name }, { raw: 'x', headers: { 'content-type': 'text/plain' } });
    const simple = 'POST /api/coupons/claim';
    await send(simple, 409, {}, { body: exampleOf('/api/coupons/claim') });
    await send(simple, 200, {}, { body: { user_id: 'grace', coupon_name: name } });
    await send(simple, 400, {}, { body: { user_id: 'barbara', coupon_name: name } });
    await send(simple, 404, {}, { body: { user_id: 'barbara', coupon_name: 'nowhere' } });
    await send(claim, 409, { name }, { body: { user_id: 'barbara' } });
    await send('GET /api/coupons/{name}/claims', 200, { name }, {}, '?limit=1');
    await send('GET /api/coupons/{name}/claims', 404, { name: 'nowhere' });
    await send('GET /api/coupons/{name}/claims', 400, { name }, {}, '?cursor=x');
    await send('GET /api/users/{user_id}/claims', 200, { user_id: 'ada' });
    await send('PATCH /api/coupons/{name}', 409, { name }, { body: { amount: 1 } });
  });

  test.each([
    ['paused', { status: 'paused' }],
    ['ended', { status: 'ended' }],
    ['not_started', { starts_at: '2100-01-01T00:00:00Z' }],
  ])('a claim of a coupon that is %s', async (code, change) => {
    await send('POST /api/coupons', 201, {}, { body: { name: code, amount: 1 } });
    await send('PATCH /api/coupons/{name}', 200, { name: code }, { body: change });
    const refused = await send(
      'POST /api/coupons/{name}/claims',
      409,
      { name: code },
      { body: { user_id: 'ada' } },
    );
    expect(refused.body.code).toBe(code);
    await send('POST /api/coupons/claim', 409, {}, { body: { user_id: 'ada', coupon_name: code } });
  });

  test('tickets, queued and decided', async () => {
    const name = 'tickets';
    const read = 'GET /api/tickets/{ticket}';
    await send('POST /api/coupons', 201, {}, { body: { name, amount: 5 } });
    process.kill(worker.pid, 'SIGSTOP');
    const queued = await send('POST /api/coupons/{name}/claims', 202, { name }, { body: { user_id: 'ada' } });
    const again = await send(
      'POST /api/coupons/{name}/claims',
      202,
      { name },
      { body: { user_id: 'ada' }, headers: { prefer: 'wait=1' } },
    );
    process.kill(worker.pid, 'SIGCONT');
    expect(again.body).toMatchObject({ deduplicated: true, ticket: queued.body.ticket });
    const { ticket } = queued.body;
    const decided = await send(read, 200, { ticket }, {}, '?wait=10');
    expect(decided.body.status).toBe('granted');
    const etag = decided.answer.headers.get('etag') ?? '';
    await send(read, 304, { ticket }, { headers: { 'if-none-match': etag } });
    await send(read, 400, { ticket }, {}, '?wait=x');
    await send(read, 404, { ticket: 'tkt_made-up' });
    await send('GET /api/tickets/{ticket}/events', 200, { ticket });
    await send('GET /api/tickets/{ticket}/events', 404, { ticket: 'tkt_made-up' });
  });

  test('what is for operators and readers', async () => {
    for (const call of Object.keys(contract).filter(call => /^GET \/(?!api)/.test(call)))
      await send(call, 200);
  });
});
