import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { AppError } from '@claimline/kernel/error';
import { type Caller, type Judged, orRefuse } from './verdict.ts';

const personalStatement = sqlFile(import.meta.url, './redeem.sql');
const publicStatement = sqlFile(import.meta.url, './redeem-public.sql');

export const redeemLimits = {
  /** Tries of one use; each that fails means that another use of the same person or order got on. */
  triesMost: 50,
} as const;

/** A code after a use of it; money in minor units. */
export type Redeemed = Judged & {
  status: 'available' | 'assigned' | 'redeemed';
  redemption_count: number;
  max_redemptions: number | null;
  is_final: boolean;
  redeemed_at: Date;
  discount_amount: number | null;
};

/**
 * Redeems a code for its owner, or a public one for anybody. A live lock of another session is in the way, one of the same session is
 * not, and neither is a lapsed one. Error: an AppError of verdict.ts.
 */
export async function redeemCode(
  sql: Sql,
  use: {
    code: string;
    userId: string;
    session: string | null;
    orderId: string | null;
    orderValue: number | null;
    metadata: unknown;
  },
  { actor, address, agent }: Caller,
): Promise<Redeemed> {
  const metadata = use.metadata === undefined ? null : JSON.stringify(use.metadata);
  const { code, userId, session, orderId, orderValue } = use;
  const rest = [orderId, orderValue, actor, address, agent, metadata];
  let isPublic = false;
  for (let tries = 1; tries <= redeemLimits.triesMost; tries++) {
    const [row] = await (isPublic
      ? sql.unsafe<Answered[]>(publicStatement, [code, userId, ...rest], { prepare: true })
      : sql.unsafe<Answered[]>(personalStatement, [code, userId, session, ...rest], { prepare: true }));
    if (row?.verdict === 'public') isPublic = true;
    else if (row?.verdict === 'personal') isPublic = false;
    else if (row?.verdict !== 'again') return orRefuse('redeem', row as Redeemed | undefined);
  }
  throw new AppError('unavailable', 'this person uses too many codes at once, try again', {
    retryAfterSeconds: 1,
  });
}

/** Where nothing was done yet: which statement is for this code, or the same once more. */
type Answered = Redeemed | { verdict: 'public' | 'personal' | 'again' };
