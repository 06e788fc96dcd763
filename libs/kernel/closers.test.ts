import { expect, test } from 'vitest';
import { pause } from './backoff.ts';
import { createClosers } from './closers.ts';

test('the newest is closed first, and each is waited for', async () => {
  const order: string[] = [];
  const closers = createClosers(() => {});
  closers.push('pool', () => order.push('pool'));
  closers.push('queue', async () => {
    await pause(10);
    order.push('queue');
  });
  await closers.close();
  expect(order).toEqual(['queue', 'pool']);
});

test('one that fails keeps no other open, and is told', async () => {
  const told: unknown[] = [];
  const closed: string[] = [];
  const closers = createClosers((name, error) => told.push([name, (error as Error).message]));
  closers.push('first', () => closed.push('first'));
  closers.push('rejects', () => Promise.reject(new Error('no')));
  closers.push('throws', () => {
    throw new Error('never');
  });
  await closers.close();
  expect(closed).toEqual(['first']);
  expect(told).toEqual([
    ['throws', 'never'],
    ['rejects', 'no'],
  ]);
});

test('two who close at once wait for the same run', async () => {
  let runs = 0;
  let finish = () => {};
  const closers = createClosers(() => {});
  closers.push('slow', () => {
    runs++;
    return new Promise<void>(resolve => (finish = resolve));
  });
  let done = 0;
  const both = [closers.close(), closers.close()].map(closing => closing.then(() => done++));
  await pause(5);
  expect([runs, done]).toEqual([1, 0]);
  finish();
  await Promise.all(both);
  expect([runs, done]).toEqual([1, 2]);
});
