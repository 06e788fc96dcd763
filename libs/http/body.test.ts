import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FieldError } from '@claimline/kernel/error';
import { withLimits } from '@claimline/queue/testing';
import type { Context } from 'hono';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bodyLimits, readJson } from './body.ts';
import type { Env } from './scope.ts';

const server = createServer(async (incoming, response) => {
  const answer = await readJson({ env: { incoming } } as Context<Env>).then(
    body => JSON.stringify(body),
    ({ problem: { code, errors = [] } }) =>
      [code, ...errors.map(({ path, message }: FieldError) => `${path} ${message}`)].join(': '),
  );
  response.end(answer);
});
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => void server.close());

/** Sends the first part of a body; `end` sends the rest. */
function begin(part: string) {
  const sending = request({ port: (server.address() as AddressInfo).port, method: 'POST', agent: false });
  const told = once(sending, 'response').then(async ([response]) => {
    let text = '';
    for await (const chunk of response) text += chunk;
    return text;
  });
  told.catch(() => {});
  sending.write(part);
  return { told, end: (rest: string) => sending.end(rest), destroy: () => sending.destroy() };
}

test('bodies on their way hold no more than they may, and give it back when they end in any way', async () => {
  await withLimits(bodyLimits, { receivingBytesMost: 100 }, async () => {
    for (const leave of ['end', 'destroy', 'end'] as const) {
      const half = begin(`"${'x'.repeat(79)}`);
      const late = begin(`"${'y'.repeat(79)}`);
      // One of the two is turned away, whichever came second.
      const first = await Promise.race([half.told, late.told]);
      expect(first).toBe('overloaded');
      const other = (await Promise.race([half.told, Promise.resolve('')])) === '' ? half : late;
      if (leave === 'end') {
        other.end('"');
        expect((await other.told).length).toBe(81);
      } else {
        other.destroy();
        await expect(other.told).rejects.toThrow();
      }
    }
    const fits = begin(`"${'z'.repeat(90)}`);
    fits.end('"');
    expect((await fits.told).length).toBe(92);
  });
});

test.each([
  ['[', ']'],
  ['{"a":', '}'],
])('a field of 100 levels is read, a deeper one is named: %s', async (open, close) => {
  const send = async (body: string) => {
    const sending = begin(body);
    sending.end('');
    return sending.told;
  };
  const of = (levels: number) => `{"fine":1,"deep":${open.repeat(levels)}1${close.repeat(levels)}}`;
  expect(await send(of(100))).toBe(of(100));
  for (const levels of [101, 100_000])
    expect(await send(of(levels))).toBe('invalid_request: deep is nested deeper than 100 levels');
  expect(await send(`[${of(100_000)}]`)).toBe('invalid_request:  is nested deeper than 100 levels');
});
