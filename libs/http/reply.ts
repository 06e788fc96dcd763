import type { Context } from 'hono';
import { type Env, requestIdOf } from './scope.ts';

/*
 * Headers of every answer are given to the Response when it is made, as a plain object: a middleware
 * that adds them afterwards makes the adapter build a Headers object for every request.
 */
const policy = "default-src 'none'; frame-ancestors 'none'";

export type ReplyHeaders = Record<string, string>;

/** An answer as plain values; its headers are those that it has beside the ones of every answer. */
export type Answer = { status: number; headers: ReplyHeaders; body: string };

/** What every answer says. */
export function commonHeaders(requestId: string): ReplyHeaders {
  return {
    'X-Request-Id': requestId,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Content-Security-Policy': policy,
    'Cross-Origin-Resource-Policy': 'same-origin',
  };
}

function withCommon(c: Context<Env>, type: string, cache: string, more?: ReplyHeaders): ReplyHeaders {
  const headers = commonHeaders(requestIdOf(c));
  headers['Content-Type'] = type;
  headers['Cache-Control'] = cache;
  for (const name in more) headers[name] = more[name] as string;
  return headers;
}

/** A JSON answer. */
export function reply(c: Context<Env>, status: number, body: unknown, headers?: ReplyHeaders): Response {
  return replyJson(c, status, JSON.stringify(body), headers);
}

/** An answer that is JSON text already. */
export function replyJson(c: Context<Env>, status: number, text: string, headers?: ReplyHeaders): Response {
  const { record } = c.env;
  if (record) return record({ status, headers: headers ?? {}, body: text });
  return new Response(text, {
    status,
    headers: withCommon(c, 'application/json; charset=UTF-8', 'no-store', headers),
  });
}

/** An answer of any type, or without a body. */
export function replyRaw(
  c: Context<Env>,
  status: number,
  body: string | Uint8Array | null,
  headers: ReplyHeaders,
): Response {
  const { 'Content-Type': type = 'text/plain; charset=UTF-8', 'Cache-Control': cache = 'no-store' } = headers;
  return new Response(body as string | null, { status, headers: withCommon(c, type, cache, headers) });
}
