import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { type Env, header } from './scope.ts';

const digest = (text: string) => createHash('sha256').update(text).digest();

/**
 * Checks the operator key. Without one everything is open, which the app allows on a loopback address
 * only; then a web page must not be able to ask in the name of somebody who visits it: neither under a
 * name of its own that leads here (DNS rebinding), nor by a form. The same holds for a key that a
 * browser sends by itself.
 *
 * @returns throws `unauthorized` unless the request has the key, as a Bearer token or, for people
 * in a browser, as the password of Basic access; `forbidden` for a page of somebody else's
 */
export function createKeyCheck(operatorKey: string | undefined) {
  return function requireKey(c: Context<Env>) {
    const authorization = header(c, 'authorization');
    if (operatorKey !== undefined) {
      if (keyIn(authorization) === null) throw new AppError('unauthorized', 'an operator key is needed');
      if (!isKey(authorization, operatorKey)) throw new AppError('unauthorized', 'the key is not valid');
      if (/^Bearer/i.test(authorization ?? '')) return;
    } else if (!isLoopback(nameIn(header(c, 'host')))) {
      throw new AppError('forbidden', 'without OPERATOR_KEY only this machine is answered, by its own name');
    }
    if (isForeignWrite(c)) throw new AppError('forbidden', 'a page of another site may not ask for that');
  };
}

/** Whether an Authorization header carries the key, compared in constant time. */
export function isKey(authorization: string | undefined, operatorKey: string): boolean {
  const given = keyIn(authorization);
  return given !== null && timingSafeEqual(digest(given), digest(operatorKey));
}

/** The name in a Host header: without the port, and without the brackets of IPv6. */
function nameIn(host: string | undefined): string {
  return (host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** A browser says where a write comes from, and no page can make it lie. */
function isForeignWrite(c: Context<Env>): boolean {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return false;
  const site = header(c, 'sec-fetch-site');
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const origin = header(c, 'origin');
  return origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === header(c, 'host'));
}

/** Who calls, as far as credentials say: a digest of the key, or empty without one. Checks nothing. */
export function callerOf(c: Context<Env>): string {
  const key = keyIn(header(c, 'authorization'));
  return key === null ? '' : digest(key).toString('base64url');
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
