import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, type Process, startProcess } from '../testing.ts';
import { contract } from './testing-contract.ts';
import { checkOf, type Document, operationsOf } from './testing-document.ts';

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let api: Process;
let document: Document;

beforeAll(async () => {
  database = await createProcessDatabase();
  api = startProcess('api', { DATABASE_URL: database.url, PORT: '0' });
  const base = await api.ready;
  document = (await (await fetch(`${base}/openapi.json`)).json()) as Document;
});
afterAll(async () => {
  await api.stop();
  await database.drop();
});

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
    // In an overload any call may be turned away.
    const may = status === '503' ? [...new Set([...codes, 'overloaded'])] : [...codes];
    if (codes.length > 0) expect(named.sort(), `${status} of ${call}`).toEqual(may.sort());
  }
  expect(responses).toHaveProperty('default');
});

test('README.md names every call, and none that is not there', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [, table = ''] = /## The API at a glance\n(.*?)\n\n[^|\n]/s.exec(readme) ?? [];
  const spans = table.split('\n').flatMap(row => (row.split(' | ')[0] ?? '').match(/`[^`]*\/[^`]*`/g) ?? []);
  // `GET/POST .../codes[/generate]`: any of the methods, or all where none is named; any beginning; with and without.
  const patterns = spans.map(span => {
    const [, methods = '\\w+', path = ''] = /^`(?:(\S+) )?(\S+)`$/.exec(span) ?? [];
    const pathPattern = path
      .replaceAll(/[{}.]/g, '\\$&')
      .replace('\\.\\.\\.', '/api/.+')
      .replace(/\[(.*)\]/, '(?:$1)?');
    return new RegExp(`^(?:${methods.replaceAll('/', '|')}) ${pathPattern}$`);
  });
  const pages = ['GET /openapi.json', 'GET /docs', 'GET /queues'];
  const calls = [...operationsOf(document).map(([call]) => call), ...pages];
  expect(calls.filter(call => !patterns.some(pattern => pattern.test(call)))).toEqual([]);
  expect(spans.filter((_, i) => !calls.some(call => patterns[i]?.test(call)))).toEqual([]);
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
        expect(checkOf(document, schema!).safeParse(example).error?.issues ?? [], `${call} ${where}`).toEqual(
          [],
        );
        seen++;
      }
  expect(seen).toBeGreaterThan(12);
});

test('the size of a page is a number, with the bounds of every list', () => {
  const bounds = (most: number, fallback: number) => ({
    ...{ type: 'integer', minimum: 1, maximum: most, default: fallback },
  });
  const lists = operationsOf(document).flatMap(([call, { parameters = [] }]) =>
    parameters.filter(({ name }) => name === 'limit').map(({ schema }) => [call, schema] as const),
  );
  expect(lists.length).toBeGreaterThan(10);
  for (const [call, schema] of lists) expect(schema, call).toEqual(bounds(1000, 100));
});

test('the headers of waiting and of streams are in it', () => {
  const of = (call: string) => operationsOf(document).find(([found]) => found === call)![1];
  const headersOf = (call: string, status: number) => Object.keys(of(call).responses[status]?.headers ?? {});
  const asked = (call: string) =>
    (of(call).parameters ?? []).filter(({ in: place }) => place === 'header').map(({ name }) => name);
  expect(asked('POST /api/coupons/{name}/claims')).toEqual(['Prefer', 'Idempotency-Key']);
  expect(asked('POST /api/coupons')).toEqual(['Idempotency-Key']);
  expect(asked('GET /api/tickets/{ticket}')).toEqual(['Prefer', 'If-None-Match']);
  expect(headersOf('POST /api/coupons/{name}/claims', 202)).toEqual(
    expect.arrayContaining(['Location', 'Retry-After', 'Preference-Applied']),
  );
  expect(headersOf('POST /api/coupons', 201)).toContain('Idempotent-Replayed');
  expect(headersOf('POST /api/coupons', 409)).toEqual(
    expect.arrayContaining(['Idempotent-Replayed', 'Retry-After']),
  );
  expect(headersOf('POST /api/coupons/{name}/claims', 503)).toContain('Retry-After');
  expect(headersOf('GET /api/tickets/{ticket}', 200)).toEqual(
    expect.arrayContaining(['ETag', 'Retry-After']),
  );
  expect(Object.keys(of('GET /api/tickets/{ticket}/events').responses[200]!.content!)).toEqual([
    'text/event-stream',
  ]);
});
