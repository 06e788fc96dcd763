import { expect } from 'vitest';
import type { Answer } from './answers.ts';

const internals =
  /\bat \S+:\d+|node_modules|\.ts:|select |insert into|postgres|redis|bullmq|violates|relation "/i;

/**
 * Holds an answer against the shape of every error: problem+json, complete, of this status and with nothing
 * of the inside in it. `expected` may name the code, the message, and fields that `errors` must name.
 */
export function expectProblem(
  answer: Answer,
  status: number,
  expected: { code?: string; error?: string; fields?: string[] } = {},
): void {
  const { body, headers, text } = answer;
  const said = `${answer.method} ${answer.path} ${JSON.stringify(answer.sent)?.slice(0, 300)} -> ${text.slice(0, 500)}`;
  expect(answer.status, said).toBe(status);
  expect(headers.get('content-type'), said).toMatch(/^application\/problem\+json/);
  for (const field of ['type', 'title', 'detail', 'code', 'error', 'request_id']) {
    expect(body[field], `${field} of ${said}`).toBeTypeOf('string');
    expect(body[field], `${field} of ${said}`).not.toBe('');
  }
  expect(body.status, said).toBe(status);
  expect(body.code, said).toMatch(/^[a-z]+(_[a-z]+)*$/);
  expect(body.request_id, said).toBe(headers.get('x-request-id'));
  expect(`${body.detail} ${body.error} ${body.title}`, said).not.toMatch(internals);
  expect(body.stack, said).toBeUndefined();
  if (expected.code) expect(body.code, said).toBe(expected.code);
  if (expected.error) expect(body.error, said).toBe(expected.error);
  for (const field of expected.fields ?? []) {
    expect(body.errors, said).toBeInstanceOf(Array);
    expect(
      body.errors!.some(({ path, message }) => String(path).includes(field) && message.length > 0),
      `${field} in errors of ${said}`,
    ).toBe(true);
  }
}
