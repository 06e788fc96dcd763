import type { Sql } from './pool.ts';
import { openSession } from './session.ts';

/**
 * Runs `fn` unless another process of the installation runs something of the same name: then it does
 * nothing and answers undefined. The lock is the session's, so it goes with a process that dies.
 */
export async function oneAtATime<T>(url: string, name: string, fn: () => Promise<T>): Promise<T | undefined> {
  const session = await openSession({ url, applicationName: `claimline ${name}` });
  try {
    const [row] = await session.sql<{ locked: boolean }[]>`
      select pg_try_advisory_lock(hashtextextended(${`claimline ${name}`}, 0)) as locked`;
    return row?.locked ? await fn() : undefined;
  } finally {
    await session.close();
  }
}

/**
 * Does `work` in one process of the installation in `everyMs`, whichever asks first: what every worker has on
 * its schedule is done once. A little earlier than that counts as well, since timers do not agree. Answers
 * undefined where it is not due.
 *
 * @param pauseTimes the next is not due until a pause of so many times what this one took, for what may take long and
 *   can wait; 0 for what cannot
 */
export async function whenDue<T>(
  sql: Sql,
  name: string,
  { everyMs, pauseTimes = 0 }: { everyMs: number; pauseTimes?: number },
  work: () => Promise<T>,
): Promise<T | undefined> {
  const key = keyOf(name);
  const due = await sql`
    insert into installation (key, value) values (${key}, clock_timestamp()::text)
    on conflict (key) do update set value = excluded.value
    where installation.value::timestamptz <= clock_timestamp() - ${everyMs * 0.9} * interval '1 ms'
    returning key`;
  if (due.length === 0) return undefined;
  const startedMs = performance.now();
  try {
    return await work();
  } finally {
    const laterMs = (performance.now() - startedMs) * pauseTimes - everyMs;
    if (laterMs > 0)
      await sql`
        update installation set value = (clock_timestamp() + ${laterMs} * interval '1 ms')::text where key = ${key}`;
  }
}

/**
 * Notes that something of this name was brought to its end; answers what {@link lastFinished} says from now on. What
 * is done {@link whenDue} counts as done from its beginning, and may yet fail.
 */
export async function noteFinished(sql: Sql, name: string): Promise<string> {
  const [row] = await sql<[{ value: string }]>`
    insert into installation (key, value) values (${finishedKeyOf(name)}, clock_timestamp()::text)
    on conflict (key) do update set value = excluded.value
    returning value`;
  return row.value;
}

/** When {@link noteFinished} was last told of this name, in whichever process: another text for every time. */
export async function lastFinished(sql: Sql, name: string): Promise<string | undefined> {
  const [row] = await sql<{ value: string }[]>`
    select value from installation where key = ${finishedKeyOf(name)}`;
  return row?.value;
}

const keyOf = (name: string) => `done ${name}`;
const finishedKeyOf = (name: string) => `finished ${name}`;
