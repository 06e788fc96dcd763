import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { type Caller, type Judged, orRefuse } from './verdict.ts';

const lockStatement = sqlFile(import.meta.url, './lock.sql');
const unlockStatement = sqlFile(import.meta.url, './unlock.sql');

export const lockLimits = { ttlMostS: 86_400 } as const;

/** A lock as it stands: until when, and how long one is. */
export type Locked = Judged & { locked_until: Date; seconds: number };

/** A code that is not locked. */
export type Unlocked = Judged & { status: 'assigned' | 'redeemed' };

/**
 * Locks a code for its owner, or leaves the lock that the same session of the owner has. A session is what
 * the caller calls so, such as a cart; without one, all requests of a person are one session.
 *
 * @param seconds how long, the coupon's own time when null
 * @throws AppError of verdict.ts
 */
export async function lockCode(
  sql: Sql,
  lock: {
    code: string;
    userId: string;
    session: string | null;
    seconds: number | null;
    metadata: unknown;
  },
  { actor, address, agent }: Caller,
): Promise<Locked> {
  const metadata = lock.metadata === undefined ? null : JSON.stringify(lock.metadata);
  const [row] = await sql.unsafe<Locked[]>(
    lockStatement,
    [lock.code, lock.userId, lock.seconds, lock.session, actor, address, agent, metadata],
    { prepare: true },
  );
  return orRefuse('lock', row);
}

/** Takes the lock off a code and answers how it stands then; without one nothing happens. Error: an AppError of verdict.ts. */
export async function unlockCode(
  sql: Sql,
  { code, userId, session }: { code: string; userId: string; session: string | null },
  { actor, address, agent }: Caller,
): Promise<Unlocked> {
  const [row] = await sql.unsafe<Unlocked[]>(
    unlockStatement,
    [code, userId, session, actor, address, agent],
    {
      prepare: true,
    },
  );
  return orRefuse('unlock', row);
}
