import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { type Caller, type Judged, orRefuse } from './verdict.ts';

const redeemStatement = sqlFile(import.meta.url, './redeem.sql');

/** A code after a use of it; money in minor units. */
export type Redeemed = Judged & {
  status: 'assigned' | 'redeemed';
  redemption_count: number;
  max_redemptions: number | null;
  is_final: boolean;
  redeemed_at: Date;
  discount_amount: number | null;
};

/**
 * Redeems a code for its owner. A live lock of another session is in the way, one of the same session is
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
  const [row] = await sql.unsafe<Redeemed[]>(
    redeemStatement,
    [use.code, use.userId, use.session, use.orderId, use.orderValue, actor, address, agent, metadata],
    { prepare: true },
  );
  return orRefuse('redeem', row);
}
