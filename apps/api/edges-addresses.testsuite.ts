import { describe, expect, test } from 'vitest';
import { exchangeRaw } from '../testing-exchange.ts';
import { codeOf, get, json } from './testing-requests.ts';

/** What addresses and methods may be, and what they may not. */
export function addressEdges(base: () => string): void {
  describe('addresses and methods', () => {
    test('a coupon may have the name of an address', async () => {
      for (const name of ['claim', 'claims', 'line']) {
        const body = JSON.stringify({ name, amount: 1 });
        expect((await fetch(`${base()}/api/coupons`, { method: 'POST', headers: json, body })).status).toBe(
          201,
        );
        expect((await fetch(`${base()}/api/coupons/${name}`)).status, name).toBe(200);
        const change = { method: 'PATCH', headers: json, body: '{"amount":2}' };
        expect((await fetch(`${base()}/api/coupons/${name}`, change)).status, name).toBe(200);
      }
    });

    test.each([
      ['DELETE', '/api/coupons', ['GET', 'POST']],
      ['PUT', '/api/coupons/a%2Fb', ['GET', 'PATCH']],
      ['GET', '/api/coupons/x/claims/', null],
      ['PATCH', '/api/coupons/x/claims', ['GET', 'POST']],
      ['POST', '/api/tickets/x', ['GET']],
      ['POST', '/health', ['GET']],
      ['DELETE', '/docs', ['GET']],
      ['PUT', '/docs/scalar.js', ['GET']],
      ['OPTIONS', '/api/coupons', ['GET', 'POST']],
      ['DELETE', '/api/nothing', null],
    ] as const)('%s %s', async (method, path, allowed) => {
      const answer = await fetch(base() + path, { method });
      expect(answer.status).toBe(allowed ? 405 : 404);
      expect(await answer.json()).toMatchObject({ code: allowed ? 'method_not_allowed' : 'not_found' });
      if (!allowed) return;
      const named = answer.headers.get('allow')?.split(', ') ?? [];
      expect(named).toEqual(expect.arrayContaining([...allowed]));
      expect(named).not.toContain(method);
    });

    test('HEAD answers what GET would, without a body', async () => {
      for (const path of ['/health', '/api/coupons', '/api/coupons/nowhere', '/docs', '/nothing']) {
        const head = await exchangeRaw(base(), get(path).replace('GET', 'HEAD'));
        const whole = await fetch(base() + path);
        expect([path, head.status, head.body]).toEqual([path, whole.status, '']);
        expect(head.headers['content-type']).toBe(whole.headers.get('content-type'));
      }
    });

    test.each(['%', '%zz', '%E0%A4%A', '%c0%af', '%ff', '%00', '%2e%2e', '..%2f..', '%u0041', '%252e'])(
      'broken encoding %s',
      async odd => {
        for (const path of [
          `/api/coupons/${odd}`,
          `/api/coupons/${odd}/line`,
          `/api/tickets/${odd}`,
          `/${odd}`,
          `/docs/${odd}`,
          `/api/users/${odd}/claims?cursor=${odd}`,
        ]) {
          const { status, body } = await exchangeRaw(base(), get(path));
          expect([200, 400, 404], `${path} ${body}`).toContain(status);
        }
      },
    );

    test('a path that is encoded more than it needs is the same path', async () => {
      for (const path of ['/he%61lth', '/api/c%6Fupons'])
        expect((await exchangeRaw(base(), get(path))).status, path).toBe(200);
    });

    test('an address with scheme and host, as a proxy may send it', async () => {
      expect((await exchangeRaw(base(), get('http://localhost/health'))).status).toBe(200);
      expect((await exchangeRaw(base(), get('http://localhost/api/coupons/nowhere'))).status).toBe(404);
    });

    test('an address or a host that is none', async () => {
      for (const request of [
        get('/\\'),
        get('/api\\coupons'),
        get('/livez').replace('Host: localhost', 'Host: a b/c'),
      ]) {
        const { status, headers, body } = await exchangeRaw(base(), request);
        expect(status).toBe(400);
        expect(headers['x-request-id']).toMatch(/^req_/);
        expect(codeOf(body)).toBe('invalid_request');
      }
    });

    test('what merely begins like an address is another address', async () => {
      for (const path of ['/queuesx', '/healthz', '/docs/', '/api/coupons/', '//health', '/./nothing'])
        expect((await exchangeRaw(base(), get(path))).status, path).toBe(404);
    });

    test('a long address', async () => {
      expect((await exchangeRaw(base(), get(`/api/coupons/${'x'.repeat(8000)}`))).status).toBe(404);
      const { status, headers, body } = await exchangeRaw(base(), get(`/${'x'.repeat(100_000)}`));
      expect([status, codeOf(body)]).toEqual([431, 'invalid_request']);
      expect(headers).toMatchObject({ connection: 'close', 'x-request-id': expect.stringMatching(/^req_/) });
    });
  });
}
