import { freePort } from '@claimline/db/free-port';
import { DeadlineError } from '@claimline/kernel/backoff';
import { expect, test } from 'vitest';
import { onceThere } from './process.ts';
import { startProcess } from './testing.ts';

const failure = (code: string) => Object.assign(new Error(code), { code });

test.each([
  ['a name that is not known yet', failure('EAI_AGAIN')],
  ['a Postgres that has no connection left', failure('53300')],
  ['one that starts up', failure('57P03')],
  ['a refused connection', failure('ECONNREFUSED')],
  ['a Redis that loads its data', new Error('LOADING Redis is loading the dataset in memory')],
  ['a store that does not answer', new DeadlineError('Redis', 1)],
])('a start waits for %s', { concurrent: true }, async (_, error) => {
  const told: unknown[] = [];
  let tries = 0;
  const step = () => (++tries === 1 ? Promise.reject(error) : Promise.resolve('there'));
  expect(await onceThere(step, away => told.push(away))).toBe('there');
  expect(told).toEqual([error]);
});

test('a start gives up at once on what does not go away by itself, and when it is told to stop', async () => {
  const unexpected = () => expect.unreachable();
  const wrong = failure('28P01');
  await expect(onceThere(() => Promise.reject(wrong), unexpected)).rejects.toBe(wrong);
  const away = failure('ECONNREFUSED');
  const stop = new AbortController();
  await expect(
    onceThere(
      () => Promise.reject(away),
      () => stop.abort(),
      stop.signal,
    ),
  ).rejects.toBe(away);
});

test('migrations wait for a Postgres that does not listen yet', async () => {
  const url = `postgres://nobody@127.0.0.1:${await freePort()}/none`;
  const migrating = startProcess('cli', { DATABASE_URL: url }, { args: ['migrate'] });
  await expect.poll(migrating.stderr, { timeout: 20_000 }).toContain('postgres is not there yet');
  expect(await migrating.stop()).toEqual({ code: null, signal: 'SIGTERM' });
});
