import { describe, expect, test } from 'vitest';
import { freshName } from '../agree.ts';
import type { ThisStack } from '../engines.ts';
import { expectProblem } from '../problem.ts';

const fiveMegabytes = 5 * 1024 * 1024;
const json = { 'content-type': 'application/json' };

/** The POSTs that take a JSON body, and a body each would otherwise accept. */
const posts = (): [string, Record<string, unknown>][] => [
  ['/api/coupons', { name: freshName('post'), amount: 1 }],
  ['/api/coupons/claim', { user_id: 'u', coupon_name: 'nowhere' }],
  ['/api/coupons/nowhere/claims', { user_id: 'u' }],
];

/** What holds for every request: ids, content types, sizes, depths, unknown routes, health. */
export function aroundRequests(stack: ThisStack): void {
  describe('around requests', () => {
    test('a sane X-Request-Id comes back, on success and on refusal', async () => {
      const client = stack().client();
      for (const path of ['/api/coupons', '/api/coupons/nowhere-at-all', '/health']) {
        const answer = await client.get(path, { 'x-request-id': 'abc-123_DEF.4' });
        expect(answer.headers.get('x-request-id'), path).toBe('abc-123_DEF.4');
      }
    });

    test.each(['x'.repeat(500), 'a b', '<script>', '"quoted"', '{}', 'a;b\\c'])(
      'an X-Request-Id that is not sane is replaced: %s',
      async sent => {
        const id = (await stack().client().get('/api/coupons', { 'x-request-id': sent })).headers.get(
          'x-request-id',
        );
        expect(id).not.toBe(sent);
        expect(id).toMatch(/^[\w.-]{8,128}$/);
      },
    );

    test('every answer has an id of its own', async () => {
      const answers = await Promise.all([1, 2, 3].map(() => stack().client().get('/api/coupons/nowhere')));
      expect(new Set(answers.map(answer => answer.headers.get('x-request-id'))).size).toBe(3);
    });

    test.each([
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/xml',
      'multipart/form-data; boundary=x',
    ])('a body of type %s is refused', async type => {
      for (const [path, body] of posts()) {
        const sending = { raw: JSON.stringify(body), headers: { 'content-type': type } };
        expectProblem(await stack().client().request('POST', path, sending), 415);
      }
    });

    test('a charset is no obstacle', async () => {
      const [[path, body]] = posts() as [[string, unknown]];
      const headers = { 'content-type': 'application/json; charset=utf-8' };
      expect(
        (
          await stack()
            .client()
            .request('POST', path, { raw: JSON.stringify(body), headers })
        ).status,
      ).toBe(201);
    });

    test('a body of 5 MB, with its length and in chunks', async () => {
      for (const [path, body] of posts()) {
        const raw = JSON.stringify({ ...body, metadata: { filler: 'x'.repeat(fiveMegabytes) } });
        expectProblem(await stack().client().request('POST', path, { raw, headers: json }), 413);
        const chunks = new Blob([raw]).stream();
        expectProblem(await stack().client().request('POST', path, { raw: chunks, headers: json }), 413);
      }
    });

    test.each([100, 10_000])('lists and objects %i deep', async depth => {
      const client = stack().client();
      const list = '['.repeat(depth) + ']'.repeat(depth);
      const object = '{"a":'.repeat(depth) + 1 + '}'.repeat(depth);
      for (const [path, body] of posts()) {
        for (const raw of [list, object]) {
          expectProblem(await client.request('POST', path, { raw, headers: json }), 400);
          const within = JSON.stringify({ ...body, user_id: 0, name: 0 }).replace('0', raw);
          expectProblem(await client.request('POST', path, { raw: within, headers: json }), 400);
        }
      }
    });

    test('bytes that are no UTF-8', async () => {
      const raw = new Uint8Array([
        ...Buffer.from('{"name":"'),
        0xff,
        0xfe,
        0xc0,
        ...Buffer.from('","amount":1}'),
      ]);
      const answer = await stack().client().request('POST', '/api/coupons', { raw, headers: json });
      expect([201, 400, 409]).toContain(answer.status);
    });

    test('unknown routes and methods', async () => {
      const client = stack().client();
      for (const path of ['/', '/api', '/api/nothing', '/api/coupons/a/b/c', '/api/tickets']) {
        expectProblem(await client.get(path), 404);
      }
      for (const method of ['PUT', 'DELETE']) {
        const answer = await client.request(method, '/api/coupons');
        expect([404, 405], `${method}: ${answer.text}`).toContain(answer.status);
        expectProblem(answer, answer.status);
      }
    });

    test('health', async () => {
      const { status, body } = await stack().client().get('/health');
      expect(status).toBe(200);
      expect(body).toMatchObject({
        status: 'healthy',
        checks: {
          postgres: expect.anything(),
          queue: expect.anything(),
          validation_log: { backlog: expect.any(Number) },
        },
      });
      expect(body.uptime_seconds).toBeTypeOf('number');
      expect(Date.parse(String(body.timestamp))).toBeGreaterThan(Date.now() - 60_000);
      for (const path of ['/livez', '/readyz'])
        expect((await stack().client().get(path)).status, path).toBe(200);
    });
  });
}
