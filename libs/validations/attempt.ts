/** Why a code is not good for a person and an order, in the order in which it is looked at. */
export const reasons = [
  'code_not_found',
  'coupon_inactive',
  'not_started',
  'expired',
  'exhausted',
  'minimum_not_met',
  'order_already_used',
  'not_assigned_to_user',
  'already_used',
  'user_limit_reached',
  'locked',
] as const;

export type Reason = (typeof reasons)[number];

/**
 * One validation that was answered, with what it was answered. A body that is none, and a request that found
 * no database, are no attempts.
 */
export type Attempt = {
  /** As it is stored where it can be a code, else as it was given; at most 255 characters. */
  code: string;
  user_id: string;
  order_id: string | null;
  /** Minor units, as all money here. */
  order_value: number;
  valid: boolean;
  /** null when valid. */
  reason: Reason | null;
  /** null when invalid. */
  discount_amount: number | null;
  final_amount: number | null;
  /** Of every code that exists, also where it is not good; null where there is no such code. */
  coupon_name: string | null;
  /** The identity of that coupon, a UUID: by it the log is kept, so that a name that comes back begins anew. */
  coupon_id: string | null;
  address: string | null;
  agent: string | null;
  /** With fractions, from the beginning of the work to its answer. */
  response_ms: number;
  /** In milliseconds since 1970, by the database's clock as far as it is known. */
  at: number;
};
