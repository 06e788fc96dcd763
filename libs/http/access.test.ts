import { AppError } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { describe, expect, test } from 'vitest';
import { createKeyCheck, isLoopback } from './access.ts';
import type { Env } from './scope.ts';

const KEY = 'a-key:with a blank';
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

/** A request as the check sees it: its headers as Node parsed them. */
function asking(authorization: string | undefined): Context<Env> {
  return {
    env: { incoming: { headers: { ...(authorization !== undefined && { authorization }) } } },
  } as never;
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

  test('without one everybody may', () => {
    expect(() => createKeyCheck(undefined)(asking(undefined))).not.toThrow();
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
