import { isCheckViolation } from '@claimline/db/error';
import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { type CouponRow, couponColumns } from './coupon.ts';
import { type CouponChange, WINDOW_ORDER } from './schemas.ts';

/** The table's constraint that a window ends after it starts. */
const WINDOW_CHECK = 'coupons_check';

/**
 * Changes a coupon in one statement. The stock moves by as much as the amount, never under what is
 * granted, and not at all where it is the number of codes in a book. The table's trigger tells every process; nothing else is to be told.
 * Errors: `coupon_not_found`, `coupon_has_book`, `below_granted`, `invalid_request` for a window that would end before it starts.
 */
export async function changeCoupon(sql: Sql, name: string, change: CouponChange): Promise<CouponRow> {
  const { amount, discount, metadata, ...plain } = change;
  const given = Object.entries(plain).filter(([, value]) => value !== undefined);
  const sets = [
    sql`updated_at = now()`,
    ...given.map(([column, value]) => sql`${sql(column)} = ${value as string}`),
    ...(amount === undefined
      ? []
      : [sql`amount = ${amount}`, sql`remaining_amount = remaining_amount + (${amount}::bigint - amount)`]),
    ...(discount === undefined ? [] : [sql`discount = ${discount && sql.json(discount as never)}`]),
    ...(metadata === undefined ? [] : [sql`metadata = ${sql.json(metadata as never)}`]),
  ];
  const [row] = await sql<CouponRow[]>`
    update coupons set ${sets.flatMap((set, index) => (index === 0 ? [set] : [sql`, `, set]))}
    where name = ${name}
      and ${amount === undefined ? sql`true` : sql`remaining_amount + (${amount}::bigint - amount) >= 0 and (not has_book or amount = ${amount})`}
    returning ${sql(couponColumns as unknown as string[])}`.catch(error => {
    // One end of the window may be given alone: the table compares it with the other as it stands.
    throw isCheckViolation(error, WINDOW_CHECK) ? windowOutOfOrder(change) : error;
  });
  if (row) return row;
  const [coupon] = await sql<{ granted: number; has_book: boolean }[]>`
    select amount - remaining_amount as granted, has_book from coupons where name = ${name}`;
  if (!coupon) throw new AppError('coupon_not_found', 'coupon not found');
  if (coupon.has_book)
    throw new AppError(
      'coupon_has_book',
      'the amount of this coupon is the number of its codes: add codes to raise it',
    );
  throw new AppError('below_granted', `${coupon.granted} are granted already, the amount cannot be less`);
}

function windowOutOfOrder({ ends_at }: CouponChange): AppError {
  const [path, message] = ends_at ? ['ends_at', WINDOW_ORDER] : ['starts_at', 'must be before ends_at'];
  return new AppError('invalid_request', `invalid request: ${path} ${message}`, {
    errors: [{ path, message }],
  });
}
