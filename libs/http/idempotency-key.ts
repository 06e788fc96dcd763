import { createHash } from 'node:crypto';
import { AppError } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { callerOf } from './access.ts';
import { type Env, header } from './scope.ts';

const NAME = 'Idempotency-Key';

export const keyLimits = { lengthMost: 255 } as const;

/** As it stands: visible ASCII, without what opens a quoted one. */
const BARE = /^[!#-~]+$/;
/** A string of RFC 8941: printable ASCII in quotes, with quotes and backslashes escaped. */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;

/** Which request a key stands for. The same key of another caller or on another route is another key. */
export type KeyedRequest = {
  /**
   * A digest of the credentials, or empty without any: the body says in whose name those ask, but the same
   * key with another body is refused, whoever it names.
   */
  caller: string;
  /** The id of the operation. */
  route: string;
  key: string;
  /** SHA-256 over the parameters and the body: the same request has the same. */
  fingerprint: Buffer;
  /** Given when the answer must not be kept as it is. */
  seal?: AnswerSeal | undefined;
};

/** How an answer that shows a secret is kept. */
export type AnswerSeal = { seal(text: string): string; open(sealed: string): string };

/** Whether the request carries a key; all that a request without one has to pay. */
export function isKeyed(c: Context<Env>): boolean {
  return c.env.incoming.headers['idempotency-key'] !== undefined;
}

/**
 * What the request is kept under. The body counts as the client sent it, whatever the order of its
 * fields: defaults of ours are not in it, so a newer version of this program still knows the request.
 *
 * @param parts parameters, query and body, as JSON
 * @throws AppError `invalid_request` that names the header when the key is not one
 */
export function readKeyedRequest(c: Context<Env>, route: string, parts: unknown[]): KeyedRequest {
  const key = parseKey(header(c, 'idempotency-key') ?? '');
  if (key === null) throw badKey(`must be 1 to ${keyLimits.lengthMost} visible characters`);
  const fingerprint = createHash('sha256').update(JSON.stringify(parts, sortFields)).digest();
  return { caller: callerOf(c), route, key, fingerprint };
}

/** A refusal of a request without the key that its call asks for. */
export function keyMissing(): AppError {
  return badKey('is required');
}

/** A refusal of a key with a body that is read as it arrives: nobody knows yet whether it is the same one. */
export function keyWithStream(): AppError {
  return badKey('is heeded with a JSON body only');
}

function badKey(message: string): AppError {
  return new AppError('invalid_request', `invalid request: ${NAME} ${message}`, {
    errors: [{ path: NAME, message }],
  });
}

/** A key as it stands, or as the quoted string that the draft of its standard wants; null when it is neither. */
function parseKey(given: string): string | null {
  const quoted = QUOTED.exec(given)?.[1];
  const key = quoted === undefined ? given : quoted.replaceAll(/\\(.)/g, '$1');
  if (quoted === undefined && !BARE.test(given)) return null;
  return key.length >= 1 && key.length <= keyLimits.lengthMost ? key : null;
}

function sortFields(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
