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
 * True for one process of the installation in `everyMs`, whichever asks first: what every worker has on
 * its schedule is done once. A little earlier than that counts as well, since timers do not agree.
 */
export async function isDue(sql: Sql, name: string, everyMs: number): Promise<boolean> {
  const rows = await sql`
    insert into installation (key, value) values (${`done ${name}`}, clock_timestamp()::text)
    on conflict (key) do update set value = excluded.value
    where installation.value::timestamptz <= clock_timestamp() - ${everyMs * 0.9} * interval '1 ms'
    returning key`;
  return rows.length > 0;
}
