import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { exchangeRaw } from '../testing-exchange.ts';
import { get, json, post } from './testing-requests.ts';

/** Headers that mean harm or nonsense. */
export function headerEdges(base: () => string): void {
  describe('headers', () => {
    test.each(['a\tb', 'a b', 'id"}{"level":"fatal', '<script>', 'x'.repeat(129), 'é', '../../etc', '$(id)'])(
      'X-Request-Id %j is replaced',
      async given => {
        const { headers } = await exchangeRaw(base(), get('/livez', `X-Request-Id: ${given}\r\n`));
        expect(headers['x-request-id']).toMatch(/^req_[\w]+$/);
      },
    );

    test('line breaks in a header split nothing', async () => {
      for (const given of ['a\rSet-Cookie: b=c', 'a\nSet-Cookie: b=c', 'a\0b', 'a\r\n Set-Cookie: b=c']) {
        const { status, headers } = await exchangeRaw(base(), get('/livez', `X-Request-Id: ${given}\r\n`));
        expect(headers).not.toHaveProperty('set-cookie');
        expect([200, 400]).toContain(status);
      }
      const { headers } = await exchangeRaw(base(), get('/livez', 'X-Request-Id: a\r\nX-Request-Id: b\r\n'));
      expect(headers['x-request-id']).toMatch(/^req_/);
    });

    test('a request without Host, two lengths, a length beside chunks, an unknown expectation', async () => {
      const body = '{"name":"smuggled","amount":1}';
      for (const request of [
        'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n',
        `${post('Content-Length: 5\r\nContent-Length: 30\r\n')}${body}`,
        `${post('Content-Length: 30\r\nTransfer-Encoding: chunked\r\n')}0\r\n\r\n`,
        `${post('Content-Length: -1\r\n')}${body}`,
        `${post('Transfer-Encoding: chunked\r\n')}zz\r\n`,
        `${post('Expect: wonders\r\nContent-Length: 30\r\n')}${body}`,
      ]) {
        const { status, headers, body } = await exchangeRaw(base(), request);
        expect([400, 417], request).toContain(status);
        expect(headers['content-type'], request).toMatch(/^application\/problem\+json/);
        expect(JSON.parse(body), request).toMatchObject({ status, request_id: headers['x-request-id'] });
      }
      expect((await fetch(`${base()}/api/coupons/smuggled`)).status).toBe(404);
    });

    test('what follows a request and is none takes nothing from its answer', async () => {
      const { status, headers, body } = await exchangeRaw(
        base(),
        'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nrubbish\r\n\r\n',
      );
      expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=UTF-8']);
      expect(body).toMatch(/"alive"\}HTTP\/1\.1 400 .*"code":"invalid_request"/s);
    });

    test('a body that is compressed is refused, not misread', async () => {
      const body = gzipSync('{"name":"compressed","amount":1}');
      const headers = { ...json, 'content-encoding': 'gzip' };
      const answer = await fetch(`${base()}/api/coupons`, { method: 'POST', headers, body });
      expect([400, 415]).toContain(answer.status);
    });
  });
}
