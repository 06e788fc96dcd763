import { expect, test } from 'vitest';
import { createWaiters } from './waiters.ts';

const LONG_MS = 60_000;

test('where news went unheard, only those are woken who are decided, or all where that cannot be found out', async () => {
  const waiters = createWaiters();
  const woken: string[] = [];
  const waiting = ['a', 'b', 'c'].map(async ticket => {
    await waiters.wait(ticket, LONG_MS);
    woken.push(ticket);
  });
  const asked: string[][] = [];
  await waiters.wakeDecided(async tickets => {
    asked.push(tickets);
    return ['b'];
  });
  await waiting[1];
  expect([asked, woken, waiters.has('a')]).toEqual([[['a', 'b', 'c']], ['b'], true]);
  await waiters.wakeDecided(() => Promise.reject(new Error('away')));
  await Promise.all(waiting);
  expect(woken).toEqual(['b', 'a', 'c']);
});
