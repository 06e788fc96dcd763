import type { Sql } from '@claimline/db/pool';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openValidationDatabase } from './testing.ts';

const batch = 200;

let database: Awaited<ReturnType<typeof openValidationDatabase>>;
let sql: Sql;
beforeAll(async () => {
  database = await openValidationDatabase();
  sql = database.sql;
});
afterAll(() => database.close());

const integerMost = 2_147_483_647;
const hundredths = fc.integer({ min: 1, max: 10_000 });
const cap = fc.option(fc.integer({ min: 1, max: integerMost }), { nil: undefined });
const minorUnits = fc.oneof(
  fc.integer({ min: 0, max: 20_000 }),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
);
const discounts = fc.oneof(
  fc.record({
    type: fc.constant('percentage' as const),
    value: hundredths.map(n => n / 100),
    max_amount: cap,
  }),
  fc.record({
    type: fc.constant('fixed' as const),
    value: fc.integer({ min: 1, max: integerMost }),
    max_amount: cap,
  }),
);
type Discount = { type: 'percentage' | 'fixed'; value: number; max_amount?: number | undefined };

/** In whole numbers: a percentage in hundredths, half a minor unit more, and what is left of that is cut off. */
function exactly({ type, value, max_amount }: Discount, orderValue: number): bigint {
  const order = BigInt(orderValue);
  const raw = type === 'fixed' ? BigInt(value) : (order * BigInt(Math.round(value * 100)) + 5000n) / 10_000n;
  return [raw, order, ...(max_amount === undefined ? [] : [BigInt(max_amount)])].reduce((a, b) =>
    a < b ? a : b,
  );
}

/** What the database makes of many at once. */
async function discountAmounts(given: [Discount, number][]): Promise<number[]> {
  const rows = await sql<{ amount: number; is_discount: boolean }[]>`
    select discount_amount(discount, order_value) as amount, is_discount(discount) as is_discount
    from unnest(
      ${given.map(([discount]) => JSON.stringify({ ...discount, currency: 'EUR' }))}::text[]::jsonb[],
      ${given.map(([, orderValue]) => orderValue)}::bigint[]
    ) with ordinality as given (discount, order_value, place) order by place`;
  expect(rows.filter(row => !row.is_discount)).toEqual([]);
  return rows.map(row => row.amount);
}

test('a discount is exact to the minor unit, at least 0, and never more than the order or the cap', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(discounts, minorUnits), { minLength: batch, maxLength: batch }),
      async given => {
        const amounts = await discountAmounts(given);
        for (const [i, [discount, orderValue]] of given.entries()) {
          const amount = amounts[i] as number;
          expect(BigInt(amount)).toBe(exactly(discount, orderValue));
          expect(amount).toBeGreaterThanOrEqual(0);
          expect(orderValue - amount).toBeGreaterThanOrEqual(0);
          expect(amount).toBeLessThanOrEqual(discount.max_amount ?? orderValue);
        }
      },
    ),
    { numRuns: 25 },
  );
});

test('a larger order never gets less off', async () => {
  await fc.assert(
    fc.asyncProperty(
      discounts,
      fc.array(minorUnits, { minLength: batch, maxLength: batch }),
      async (discount, values) => {
        const ascending = [...values].sort((a, b) => a - b);
        const amounts = await discountAmounts(ascending.map(value => [discount, value]));
        for (const [i, amount] of amounts.entries())
          expect(amount).toBeGreaterThanOrEqual(amounts[i - 1] ?? 0);
      },
    ),
    { numRuns: 25 },
  );
});

test.each([
  ['half a unit rounds up', { type: 'percentage', value: 50 }, 1, 1],
  ['below half rounds down', { type: 'percentage', value: 49.99 }, 1, 0],
  ['a third decimal of the order', { type: 'percentage', value: 12.5 }, 1004, 126],
  ['all of it', { type: 'percentage', value: 100 }, 4999, 4999],
  ['a hundredth of a percent', { type: 'percentage', value: 0.01 }, 5000, 1],
  ['a fixed one above the order', { type: 'fixed', value: 500 }, 499, 499],
  ['an order of nothing', { type: 'fixed', value: 500 }, 0, 0],
  ['a cap', { type: 'percentage', value: 10, max_amount: 99 }, 1000, 99],
] as const)('%s', async (_, discount, orderValue, amount) => {
  expect(await discountAmounts([[discount, orderValue]])).toEqual([amount]);
});

test('without a discount, or without a value, there is no amount', async () => {
  const [row] = await sql`
    select discount_amount(null, 100) as of_nothing,
      discount_amount('{"type": "fixed", "value": 5, "currency": "EUR"}', null) as off_nothing`;
  expect(row).toEqual({ of_nothing: null, off_nothing: null });
});

test.each([
  {},
  { type: 'percentage', value: 0 },
  { type: 'percentage', value: 100.01 },
  { type: 'percentage', value: 1.001 },
  { type: 'percentage', value: '10' },
  { type: 'fixed', value: 1.5 },
  { type: 'fixed', value: 0 },
  { type: 'other', value: 1 },
  { type: 'fixed', value: 1, max_amount: 0 },
  { type: 'fixed', value: 1, max_amount: '5' },
  { type: 'fixed', value: 1, minimum_order_value: -1 },
  { type: 'fixed', value: 1, currency: 'euro' },
])('%j by hand is no discount', async discount => {
  const coupon = { name: 'by hand', amount: 1, discount: { currency: 'EUR', ...discount } };
  await expect(sql`insert into coupons ${sql(coupon as never)}`).rejects.toMatchObject({ code: '23514' });
});
