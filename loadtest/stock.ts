import { randomBytes } from 'node:crypto';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { type CouponCounts, createCoupon, readCounts } from './coupon.ts';
import { couponDigits } from './request-template.ts';
import type { Stack } from './stack.ts';
import type { Subject } from './subject.ts';

/** The coupons that one measurement claims from. */
export type Stock = {
  /** One of its coupons; or of all of them, with `{coupon}` in place of its number. */
  name: string;
  /** Units of all coupons together. */
  amount: number;
  /** What is claimed and left of all of them together. */
  readCounts(): Promise<CouponCounts>;
  close(): Promise<void>;
};

const CREATED_AT_ONCE = 16;

/** Creates the coupons of a subject, new ones for every measurement. */
export async function createStock(stack: Stack, subject: Subject, amount: number): Promise<Stock> {
  const url = stack.urls[subject.service]![0]!;
  const name = `load-${subject.name}-${randomBytes(4).toString('hex')}`;
  if (subject.coupons > 1) return createMany(stack, subject, amount, `${name}-`);
  await createCoupon(url, name, amount);
  return { name, amount, readCounts: () => readCounts(url, name), close: async () => {} };
}

/** Many are counted in the database: asking the API for each would be a load of its own. */
async function createMany(stack: Stack, subject: Subject, amount: number, prefix: string): Promise<Stock> {
  const url = stack.urls[subject.service]![0]!;
  const names = Array.from({ length: subject.coupons }, (_, n) => prefix + couponDigits(n, subject.coupons));
  for (let from = 0; from < names.length; from += CREATED_AT_ONCE) {
    const some = names.slice(from, from + CREATED_AT_ONCE);
    await Promise.all(some.map(name => createCoupon(url, name, amount)));
  }
  const database = stack.stores[subject.service]!.databaseUrl;
  const sql = openPool({ url: database, applicationName: 'load counts', max: 1 });
  return {
    name: `${prefix}{coupon}`,
    amount: amount * subject.coupons,
    readCounts: () => sumCounts(sql, prefix),
    close: () => closePool(sql, 1),
  };
}

async function sumCounts(sql: Sql, prefix: string): Promise<CouponCounts> {
  const [row] = await sql<{ claimed: number; remaining: number }[]>`
    select sum(claimed_count)::int8 as claimed, sum(remaining_amount)::int8 as remaining
    from coupons where starts_with(name, ${prefix})`;
  return { claimedCount: row?.claimed ?? 0, remainingAmount: row?.remaining ?? 0 };
}
