/** Each change is made so often and never waited for: a change that is honoured late is caught. */
export const rounds = Array.from({ length: 30 }, (_, index) => index);
export const slowMs = 60_000;

export const outOfStock = { error: 'coupon out of stock' };
export const alreadyClaimed = { error: 'coupon already claimed by user' };
export const notFound = { error: 'coupon not found' };
