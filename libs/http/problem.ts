import { AppError, type Problem, problems } from '@claimline/kernel/error';
import type { Context } from 'hono';
import { type Answer, commonHeaders, replyJson } from './reply.ts';
import { type Env, newRequestId, requestIdOf } from './scope.ts';

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
export function replyProblem(c: Context<Env>, problem: Problem, more?: Record<string, string>): Response {
  const status = problem.status ?? problems[problem.code].status;
  const headers: Record<string, string> = {
    'Content-Type': 'application/problem+json; charset=UTF-8',
    ...more,
  };
  if (problem.retryAfterSeconds !== undefined) headers['Retry-After'] = String(problem.retryAfterSeconds);
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer realm="Claimline"';
  return replyJson(c, status, `${textOf(problem)}${JSON.stringify(requestIdOf(c))}}`, headers);
}

/** A problem of a request that is too broken to have a context. */
export function anonymousProblem(problem: Problem): Answer {
  const id = newRequestId();
  const body = `${textOf(problem)}${JSON.stringify(id)}}`;
  return {
    status: problem.status ?? problems[problem.code].status,
    headers: {
      ...commonHeaders(id),
      'Content-Type': 'application/problem+json; charset=UTF-8',
      'Content-Length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/** The JSON up to the request's id. A problem that many get, such as sold out, is one object and made text once. */
function textOf(problem: Problem): string {
  let text = texts.get(problem);
  if (text === undefined) {
    const { code, message, status, errors, extra } = problem;
    const { title, status: usual } = problems[code];
    const body = {
      type: TYPE_BASE + code,
      title,
      status: status ?? usual,
      detail: message,
      code,
      error: message,
      errors,
      ...extra,
    };
    text = `${JSON.stringify(body).slice(0, -1)},"request_id":`;
    texts.set(problem, text);
  }
  return text;
}

const texts = new WeakMap<Problem, string>();
