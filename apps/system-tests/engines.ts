import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { redisAvailable, redisRequired } from './redis-available.ts';
import { type Engine, type Stack, type StackOptions, startStack } from './stack.ts';

const startTimeoutMs = 90_000;
const stopTimeoutMs = 45_000;
const logCharactersShown = 6_000;

/** A test file's view of its stack: a call, because the stack exists only after `beforeAll`. */
export type ThisStack = () => Stack;

/**
 * Runs one suite on each engine, each on a stack of its own that is stopped afterwards.
 * Where there is no redis-server the Redis half is skipped with a line that says so, or fails on a build server.
 */
export function onEachEngine(
  options: Omit<StackOptions, 'engine'>,
  suite: (stack: ThisStack, engine: Engine) => void,
  engines: readonly Engine[] = ['redis', 'postgres'],
): void {
  for (const engine of engines) {
    if (engine === 'redis' && !redisAvailable) withoutRedis();
    else describe(`on ${engine}`, () => onEngine(engine, options, suite));
  }
}

function onEngine(
  engine: Engine,
  options: Omit<StackOptions, 'engine'>,
  suite: (stack: ThisStack, engine: Engine) => void,
): void {
  let stack: Stack | undefined;
  beforeAll(async () => {
    stack = await startStack({ ...options, engine });
  }, startTimeoutMs);
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(`${stack?.logs().slice(-logCharactersShown)}\n`);
  });
  afterAll(() => stack?.stop(), stopTimeoutMs);
  suite(() => {
    if (!stack) throw new Error('the stack did not start');
    return stack;
  }, engine);
}

function withoutRedis(): void {
  if (!redisRequired)
    process.stderr.write('There is no redis-server on PATH: the tests on Redis are skipped.\n');
  describe('on redis', () => {
    test.skipIf(!redisRequired)('there is a redis-server on PATH', () => {
      throw new Error('CI is set and there is no redis-server on PATH');
    });
  });
}
