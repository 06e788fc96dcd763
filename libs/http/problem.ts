import { AppError, problems } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { reply } from './reply.ts';
import { type Env, requestIdOf } from './scope.ts';

/** Where a problem's `type` leads: a section of the API reference. */
const TYPE_BASE = '/docs/problems#';

/**
 * The one place where an error becomes an answer: RFC 9457 problem details, with `error` as the
 * sentence for clients that read only that. What is not an {@link AppError} is a surprise: the
 * caller learns nothing of it but the request id.
 */
export function problemResponse(c: Context<Env>, error: unknown): Response {
  const known =
    error instanceof AppError ? error : new AppError('internal', 'something went wrong on our side');
  const { retryAfterSeconds, errors, extra } = known.options;
  const body = {
    type: `${TYPE_BASE}${known.code}`,
    title: problems[known.code].title,
    status: known.status,
    detail: known.message,
    code: known.code,
    error: known.message,
    request_id: requestIdOf(c),
    ...(errors && { errors }),
    ...extra,
  };
  return reply(c, known.status, body, {
    'Content-Type': 'application/problem+json; charset=UTF-8',
    ...(retryAfterSeconds !== undefined && { 'Retry-After': String(retryAfterSeconds) }),
  });
}
