import {
  fieldLimits,
  isPathStep,
  isStorable,
  metadata,
  requiredInteger,
  requiredText,
  time,
} from '@claimline/http/fields';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';
import { couponStatuses } from './facts.ts';

/** What `ends_at` is told where it is not. */
export const WINDOW_ORDER = 'must be after starts_at';

/** A coupon's name in an address: what could not be a name is a coupon that does not exist. */
export const nameParams = z.object({
  name: z.string().transform(name => {
    if (isStorable(name)) return name;
    throw new AppError('coupon_not_found', 'coupon not found');
  }),
});

/** What an order gets off: a percentage, rounded half up to a minor unit, or minor units. Never more than the order. */
export const discountSchema = z
  .strictObject({
    type: z.enum(['percentage', 'fixed'], { error: 'must be percentage or fixed' }),
    value: z.number().describe('A percentage above 0, at most 100, with two decimals; or minor units.'),
    max_amount: requiredInteger(1).optional().describe('The most that an order gets off, in minor units.'),
    minimum_order_value: requiredInteger(0)
      .optional()
      .describe('In minor units; the codes are not good for an order below it.'),
    currency: z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as EUR'),
  })
  .check(context => {
    const { type, value } = context.value;
    // As it is written: 0.1 + 0.2 has more decimals than the table takes.
    const isPercentage = value > 0 && value <= 100 && /^\d+(\.\d{1,2})?$/.test(String(value));
    const isMinorUnits = Number.isSafeInteger(value) && value > 0 && value <= fieldLimits.integerMost;
    if (type === 'percentage' ? isPercentage : isMinorUnits) return;
    const message =
      type === 'percentage'
        ? 'must be above 0 and at most 100, with two decimals'
        : 'must be a whole number of minor units above 0';
    context.issues.push({ code: 'custom', message, path: ['value'], input: value });
  });

const optional = {
  lock_ttl_seconds: requiredInteger(1, 86_400),
  max_redemptions_per_code: requiredInteger(1).nullable(),
  per_user_limit: requiredInteger(1),
  public: z.boolean({ error: 'must be true or false' }),
};

export const newCouponSchema = z
  .strictObject({
    name: requiredText().refine(name => !isPathStep(name), 'must not be . or ..'),
    amount: requiredInteger(1),
    starts_at: time().nullish(),
    ends_at: time().nullish(),
    per_user_limit: optional.per_user_limit.default(1),
    lock_ttl_seconds: optional.lock_ttl_seconds.default(300),
    max_redemptions_per_code: optional.max_redemptions_per_code.default(1),
    public: optional.public.default(false),
    discount: discountSchema.nullish(),
    metadata: metadata().optional(),
  })
  .refine(isInOrder, { path: ['ends_at'], message: WINDOW_ORDER });

export const couponChangeSchema = z
  .strictObject({
    amount: requiredInteger(1).optional(),
    status: z.enum(couponStatuses, { error: `must be one of ${couponStatuses.join(', ')}` }).optional(),
    starts_at: time().nullable().optional(),
    ends_at: time().nullable().optional(),
    per_user_limit: optional.per_user_limit.optional(),
    lock_ttl_seconds: optional.lock_ttl_seconds.optional(),
    max_redemptions_per_code: optional.max_redemptions_per_code.optional(),
    public: optional.public.optional(),
    discount: discountSchema.nullable().optional(),
    metadata: metadata().optional(),
  })
  .refine(isInOrder, { path: ['ends_at'], message: WINDOW_ORDER });

export type NewCoupon = z.output<typeof newCouponSchema>;
export type CouponChange = z.output<typeof couponChangeSchema>;

function isInOrder({
  starts_at,
  ends_at,
}: {
  starts_at?: string | null | undefined;
  ends_at?: string | null | undefined;
}) {
  return !starts_at || !ends_at || Date.parse(starts_at) < Date.parse(ends_at);
}

/** A coupon as the API shows it. */
export const couponSchema = z
  .object({
    name: z.string(),
    amount: z.int(),
    remaining_amount: z.int(),
    claimed_by: z.array(z.string()).describe('User ids in claim order, the first 1,000.'),
    claimed_count: z.int(),
    status: z.enum(couponStatuses),
    starts_at: z.iso.datetime().nullable(),
    ends_at: z.iso.datetime().nullable(),
    per_user_limit: z.int(),
    lock_ttl_seconds: z.int(),
    max_redemptions_per_code: z.int().nullable().describe('null: without limit.'),
    public: z
      .boolean()
      .describe(
        'Whether anybody may use its codes, each max_redemptions_per_code times and each person per_user_limit times.',
      ),
    discount: discountSchema.nullable(),
    metadata: z.record(z.string(), z.unknown()),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'Coupon' });
