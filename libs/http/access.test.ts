import { AppError } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { describe, expect, test } from 'vitest';
import { createKeyCheck, isLoopback } from './access.ts';
import type { Env } from './scope.ts';

const KEY = 'a-key:with a blank';
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

/** A request as the check sees it: its headers as Node parsed them. */
function asking(
  authorization: string | undefined,
  more: Record<string, string> = { host: 'localhost:3000' },
  method = 'POST',
): Context<Env> {
  const headers = { ...more, ...(authorization !== undefined && { authorization }) };
  return { env: { incoming: { headers } }, req: { method } } as never;
}

describe('the operator key', () => {
  const requireKey = createKeyCheck(KEY);

  test.each([basic(`op:${KEY}`), basic(`:${KEY}`), `basic   ${basic(`op:${KEY}`).slice(6)}  `])(
    '%s',
    authorization => {
      expect(() => requireKey(asking(authorization))).not.toThrow();
    },
  );

  test.each([
    undefined,
    '',
    'Bearer',
    'Bearer  ',
    KEY,
    basic(KEY.replace(':', '')),
    basic(`op:${KEY} `),
    basic(`op:${KEY.toUpperCase()}`),
    `Digest ${KEY}`,
    'Basic =',
  ])('%j is not it', authorization => {
    expect(() => requireKey(asking(authorization))).toThrow(AppError);
  });

  test('a plain one goes as a token', () => {
    const check = createKeyCheck('plain-operator-key');
    expect(() => check(asking('Bearer plain-operator-key'))).not.toThrow();
    expect(() => check(asking('bearer plain-operator-key'))).not.toThrow();
    expect(() => check(asking('Bearer plain-operator-key,'))).toThrow('the key is not valid');
  });

  test.each([
    [{ host: 'localhost:3000' }, 'POST', true],
    [{ host: '127.0.0.1' }, 'GET', true],
    [{ host: '[::1]:3000' }, 'POST', true],
    [{ host: 'evil.test:3000' }, 'GET', false],
    [{}, 'GET', false],
    [{ host: 'localhost', origin: 'http://localhost' }, 'POST', true],
    [{ host: 'localhost', origin: 'http://evil.test' }, 'POST', false],
    [{ host: 'localhost', origin: 'null' }, 'PATCH', false],
    [{ host: 'localhost', origin: 'http://evil.test' }, 'GET', true],
    [{ host: 'localhost', 'sec-fetch-site': 'cross-site' }, 'POST', false],
    [{ host: 'localhost', 'sec-fetch-site': 'none' }, 'POST', true],
  ] as const)(
    'without one this machine may, and no page of another site: %j %s %j',
    (headers, method, may) => {
      const ask = () => createKeyCheck(undefined)(asking(undefined, headers, method));
      if (may) expect(ask).not.toThrow();
      else expect(ask).toThrow(AppError);
    },
  );

  test('a key that a browser sends by itself does not help a page of another site, a token does', () => {
    const foreign = { host: 'shop.test', origin: 'http://evil.test' };
    const check = createKeyCheck('plain-operator-key');
    expect(() => check(asking(basic('op:plain-operator-key'), foreign))).toThrow('another site');
    expect(() => check(asking('Bearer plain-operator-key', foreign))).not.toThrow();
  });
});

describe('loopback', () => {
  test.each(['127.0.0.1', '127.8.9.1', 'localhost', '::1'])('%s', host =>
    expect(isLoopback(host)).toBe(true),
  );
  test.each([
    '0.0.0.0',
    '::',
    '',
    '127.0.0.1.evil.test',
    'localhost.evil.test',
    '1127.0.0.1',
    '192.168.0.1',
    '::ffff:127.0.0.2x',
  ])('%j is not', host => expect(isLoopback(host)).toBe(false));
});
