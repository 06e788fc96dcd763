import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { type Env, header } from './scope.ts';

const digest = (text: string) => createHash('sha256').update(text).digest();

/**
 * Checks the operator key. Without one everything is open, which the app allows on a loopback
 * address only.
 *
 * @returns throws `unauthorized` unless the request has the key, as a Bearer token or, for people
 * in a browser, as the password of Basic access
 */
export function createKeyCheck(operatorKey: string | undefined) {
  const expected = operatorKey === undefined ? null : digest(operatorKey);
  return function requireKey(c: Context<Env>) {
    if (!expected) return;
    const given = keyIn(header(c, 'authorization'));
    if (given === null) throw new AppError('unauthorized', 'an operator key is needed');
    if (!timingSafeEqual(digest(given), expected)) throw new AppError('unauthorized', 'the key is not valid');
  };
}

function keyIn(authorization: string | undefined): string | null {
  const [, scheme, value] = /^(Bearer|Basic)\s+(\S+)\s*$/i.exec(authorization ?? '') ?? [];
  if (scheme === undefined || value === undefined) return null;
  if (scheme.toLowerCase() === 'bearer') return value;
  const [, password] = /^[^:]*:(.*)$/s.exec(Buffer.from(value, 'base64').toString('utf8')) ?? [];
  return password ?? null;
}

/** True for the names and addresses of this machine's own loopback. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
