import { expect, test } from 'vitest';
import { AppError, problems } from './error.ts';

test('codes are words that a client can compare, with statuses of errors', () => {
  for (const [code, { status, title }] of Object.entries(problems)) {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(status, code).toBeGreaterThanOrEqual(400);
    expect(status, code).toBeLessThan(600);
    expect(title, code).not.toMatch(/\.$/);
  }
});

test('a cause is kept for the log and is no part of what a caller is told', () => {
  const cause = new Error('password authentication failed');
  const error = new AppError('unavailable', 'try again', { retryAfterSeconds: 1, cause });
  expect(error.cause).toBe(cause);
  expect(error.problem).toEqual({ code: 'unavailable', message: 'try again', retryAfterSeconds: 1 });
});
