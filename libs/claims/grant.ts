import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { StoppedError } from '@claimline/queue/settling-lane';
import type { Gate } from './gate.ts';
import type { Decision } from './outcome.ts';
import { type Named, settle } from './settle.ts';

const limits = {
  /** How long a grant waits for Postgres. */
  waitMs: 5000,
} as const;

/** A claim that does not go through the line, for a given code. With the same ticket it is granted once. */
export type GivenClaim = {
  couponId: string;
  couponName: string;
  userId: string;
  ticket: string;
  named: Named;
};

/**
 * Grants a given code to a person, or tells why not, by the settle statement like every other claim: it
 * takes a unit, counts against the person's limit and has its place in the order of grants.
 *
 * @param sql a pool with sequential scans off (see settle.sql)
 * @returns throws `unavailable` when Postgres is away
 */
export function createGrant({
  sql,
  gate,
  onError,
}: {
  sql: Sql;
  gate: Gate;
  onError: (error: Error) => void;
}) {
  return async ({ couponId, couponName, userId, ticket, named }: GivenClaim): Promise<Decision> => {
    const batch = { couponId, couponName, claims: [[ticket, userId, 0] as [string, string, number]], named };
    const news = await settle(sql, batch, AbortSignal.timeout(limits.waitMs)).catch(error => {
      if (!(error instanceof StoppedError)) throw error;
      throw new AppError('unavailable', 'the database cannot be reached, try again', {
        retryAfterSeconds: 1,
      });
    });
    // A gate that does not hear of it admits too much, which settle refuses.
    if (gate.isShared) await gate.settled(news).catch(onError);
    return news.decisions.get(ticket) as Decision;
  };
}

export type Grant = ReturnType<typeof createGrant>;
