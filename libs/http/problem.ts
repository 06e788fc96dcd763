import { AppError, type Problem, problems } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { reply } from './reply.ts';
import { type Env, requestIdOf } from './scope.ts';

/** Where a problem's `type` leads: a section of the API reference. */
const TYPE_BASE = '/docs/problems#';

const surprise: Problem = { code: 'internal', message: 'something went wrong on our side' };

/** A thrown error as an answer. What is not an {@link AppError} is a surprise: the caller learns nothing of it. */
export function problemResponse(c: Context<Env>, error: unknown): Response {
  return replyProblem(c, error instanceof AppError ? error.problem : surprise);
}

/**
 * The one place where a problem becomes an answer: RFC 9457 problem details, with `error` as the
 * sentence for clients that read only that.
 */
export function replyProblem(c: Context<Env>, problem: Problem): Response {
  const { code, message, retryAfterSeconds, errors, extra } = problem;
  const status = problem.status ?? problems[code].status;
  const body = {
    type: TYPE_BASE + code,
    title: problems[code].title,
    status,
    detail: message,
    code,
    error: message,
    request_id: requestIdOf(c),
    errors,
    ...extra,
  };
  return reply(
    c,
    status,
    body,
    retryAfterSeconds === undefined
      ? problemType
      : { ...problemType, 'Retry-After': String(retryAfterSeconds) },
  );
}

const problemType = { 'Content-Type': 'application/problem+json; charset=UTF-8' };
