import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { type Transactions, transaction } from '@claimline/db/transaction';
import { ownerStride, type PlannedCoupon, type SeedSizes } from './plan.ts';

const file = (name: string) => sqlFile(import.meta.url, `./${name}.sql`);
const tables = file('tables');
const draw = file('draw');
const storeCoupons = file('store-coupons');
const storeCodes = file('store-codes');
const storeGrants = file('store-grants');
const countGrants = file('count-grants');

/**
 * Stores some coupons with all their codes, claims and uses in one transaction, so that after a crash they are
 * there as a whole or not at all. The triggers do their work as for anybody: no right to leave them out is needed.
 */
export async function storeBite(
  transactions: Transactions,
  { users, seed }: SeedSizes,
  coupons: PlannedCoupon[],
): Promise<void> {
  await transaction(transactions, async tx => {
    await tx.unsafe(tables);
    await tx`
      insert into drawn_coupons
      select * from json_populate_recordset(null::drawn_coupons, ${JSON.stringify(coupons)}::text::json)`;
    await tx.unsafe(draw, [String(seed), users, ownerStride(users)]);
    await tx.unsafe(storeCoupons, [String(seed)]);
    await tx.unsafe(storeCodes);
    await tx.unsafe(storeGrants);
    await tx.unsafe(countGrants);
  });
}

/** Whether these coupons are there. Error: when some are and some are not, which no seeder leaves behind. */
export async function isStored(sql: Sql, coupons: PlannedCoupon[]): Promise<boolean> {
  const [row] = await sql<{ n: number }[]>`
    select count(*)::int as n from coupons where name = any (${coupons.map(({ name }) => name)}::text[])`;
  const count = row?.n ?? 0;
  if (count > 0 && count < coupons.length)
    throw new Error(
      `of ${coupons.length} coupons from ${coupons[0]?.name} on only ${count} are left: begin with an empty database`,
    );
  return count > 0;
}
