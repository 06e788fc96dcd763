import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { AppError } from '@claimline/kernel/error';
import { type Caller, type Judged, orRefuse } from './verdict.ts';

const redeemStatement = sqlFile(import.meta.url, './redeem.sql');

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
  const args = [
    use.code,
    use.userId,
    use.session,
    use.orderId,
    use.orderValue,
    actor,
    address,
    agent,
    metadata,
  ];
  for (let tries = 1; tries <= redeemLimits.triesMost; tries++) {
    const [row] = await sql.unsafe<Answered[]>(redeemStatement, args, { prepare: true });
    if (row?.verdict !== 'again') return orRefuse('redeem', row as Redeemed | undefined);
  }
  throw new AppError('unavailable', 'this person uses too many codes at once, try again', {
    retryAfterSeconds: 1,
  });
}

type Answered = Redeemed | { verdict: 'again' };
