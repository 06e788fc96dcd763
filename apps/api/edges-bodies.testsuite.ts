import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { awaitUntil } from '../system-tests/await-until.ts';
import { exchangeRaw } from '../testing-exchange.ts';
import { codeOf, json, post } from './testing-requests.ts';

const fiveMegabytes = 5 * 1024 * 1024;

/** Bodies of any size, depth, shape and speed. */
export function bodyEdges(base: () => string): void {
  describe('bodies', () => {
    test.each([
      ['in one piece', `Content-Length: ${fiveMegabytes}\r\n`, Buffer.alloc(fiveMegabytes, 'x')],
      [
        'in chunks',
        'Transfer-Encoding: chunked\r\n',
        Buffer.concat([
          Buffer.from(`${fiveMegabytes.toString(16)}\r\n`),
          Buffer.alloc(fiveMegabytes, 'x'),
          Buffer.from('\r\n0\r\n\r\n'),
        ]),
      ],
    ])('5 MB %s', async (_, length, bytes) => {
      const { status, body } = await exchangeRaw(
        base(),
        post(`Content-Type: application/json\r\n${length}`),
        bytes,
      );
      expect([status, codeOf(body)]).toEqual([413, 'payload_too_large']);
    });

    test('the largest body is read, one byte more is not', async () => {
      const frame = JSON.stringify({ name: '', amount: 1 }).length;
      const of = (bytes: number) => JSON.stringify({ name: 'x'.repeat(bytes - frame), amount: 1 });
      const send = (body: string) => fetch(`${base()}/api/coupons`, { method: 'POST', headers: json, body });
      expect((await send(of(1024 * 1024))).status).toBe(400); // The name is too long.
      expect((await send(of(1024 * 1024 + 1))).status).toBe(413);
    });

    test('nothing, and no content type', async () => {
      const bare = await exchangeRaw(base(), post('Content-Length: 0\r\n'));
      expect([bare.status, codeOf(bare.body)]).toEqual([400, 'invalid_request']);
      const untyped = await exchangeRaw(
        base(),
        `${post('Content-Length: 30\r\n')}{"name":"no type","amount": 1}`,
      );
      expect(untyped.status).toBe(201);
    });

    test.each([100, 100_000])('%i deep', async depth => {
      for (const [open, close] of [
        ['[', ']'],
        ['{"a":', '}'],
      ] as const) {
        const deep = `${open.repeat(depth)}1${close.repeat(depth)}`;
        for (const body of [deep, `{"name":"deep","amount":1,"metadata":{"a":${deep}}}`]) {
          const answer = await fetch(`${base()}/api/coupons`, { method: 'POST', headers: json, body });
          expect([201, 400, 409], (await answer.text()).slice(0, 200)).toContain(answer.status);
        }
        // With a key the body is written out again, before its fields are looked at one by one.
        const keyed = await fetch(`${base()}/api/coupons/nowhere/codes`, {
          method: 'POST',
          headers: { ...json, 'idempotency-key': `${depth}${open}` },
          body: `{"codes":${deep}}`,
        });
        const { errors = [] } = (await keyed.json()) as { errors?: { path: string }[] };
        expect([400, 404]).toContain(keyed.status);
        if (depth > 100) expect(errors.map(({ path }) => path)).toEqual(['codes']);
      }
    });

    test('keys that mean something to JavaScript', async () => {
      const body =
        '{"name":"proto","amount":1,"metadata":{"__proto__":{"x":1},"constructor":{"prototype":2},"toString":3}}';
      const created = await fetch(`${base()}/api/coupons`, { method: 'POST', headers: json, body });
      expect(created.status).toBe(201);
      const polluted = '{"name":"p2","amount":1,"__proto__":{"per_user_limit":5}}';
      const refused = await fetch(`${base()}/api/coupons`, { method: 'POST', headers: json, body: polluted });
      expect(refused.status).toBe(400);
    });

    test('half a character, anywhere', async () => {
      for (const field of [
        '"name":"a\\ud800"',
        '"name":"b","metadata":{"k":"\\udc00"}',
        '"name":"c","metadata":{"\\ud800":1}',
      ]) {
        const body = `{"amount":1,${field}}`;
        expect(
          (await fetch(`${base()}/api/coupons`, { method: 'POST', headers: json, body })).status,
          body,
        ).toBe(400);
      }
      const body = '{"user_id":"ada","metadata":{"k":"\\ud800"}}';
      const claim = await fetch(`${base()}/api/coupons/claims/claims`, {
        method: 'POST',
        headers: json,
        body,
      });
      expect(claim.status).toBe(400);
    });

    test('an upload that is broken off leaves nothing behind', async () => {
      const { hostname, port } = new URL(base());
      const ofJson = `${post('Content-Type: application/json\r\nContent-Length: 1000\r\n')}{"na`;
      const ofCodes = post('Content-Type: text/csv\r\nContent-Length: 1000\r\n').replace(
        ' HTTP',
        '/x/codes HTTP',
      );
      for (const begun of Array(10)
        .fill([ofJson, `${ofCodes}CODE-1\nCO`])
        .flat()) {
        const socket = connect(Number(port), hostname);
        await new Promise(resolve => socket.write(begun, resolve));
        socket.resetAndDestroy();
      }
      const health = await (await fetch(`${base()}/health`)).json();
      expect(health).toMatchObject({ status: 'healthy' });
    });

    test('a list of codes that is broken off is no error of ours, and what came is stored', async () => {
      const body = '{"name":"broken","amount":1}';
      await fetch(`${base()}/api/coupons`, { method: 'POST', headers: json, body });
      const { hostname, port } = new URL(base());
      const head = 'POST /api/coupons/broken/codes HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n';
      const lines = Array.from({ length: 10_001 }, (_, n) => `BROKEN-${n}\n`).join('');
      const isStored = (code: string) => async () => (await fetch(`${base()}/api/codes/${code}`)).ok;
      const socket = connect(Number(port), hostname);
      socket.write(`${head}Content-Length: 1000000\r\n\r\n${lines}BROK`);
      await awaitUntil('the first batch', isStored('BROKEN-0'));
      socket.resetAndDestroy();
      await awaitUntil('the rest', isStored('BROKEN-10000'));
      const metrics = await (await fetch(`${base()}/metrics`)).text();
      expect(metrics).not.toMatch(/^claimline_errors_total\{.*\} [1-9]/m);
    });

    test('a slow client holds up nobody', async () => {
      const body = '{"name":"slow","amount":1}';
      const slow = exchangeRaw(
        base(),
        post(`Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`),
        ...[...body].flatMap(letter => [letter, 20]),
      );
      let quick = 0;
      const others = awaitUntil('the slow one', async () => {
        expect((await fetch(`${base()}/livez`)).status).toBe(200);
        quick++;
        return (await fetch(`${base()}/api/coupons/slow`)).ok;
      });
      expect((await slow).status).toBe(201);
      await others;
      expect(quick).toBeGreaterThan(3);
    });
  });
}
