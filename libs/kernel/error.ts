/**
 * Everything that may go wrong for a caller, from one closed list. A code is stable: clients
 * compare it. Each transport maps a code once (http/problem.ts).
 */
export const problems = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'Credentials are missing or not valid' },
  payment_failed: { status: 402, title: 'The payment was refused' },
  forbidden: { status: 403, title: 'Not allowed' },
  not_found: { status: 404, title: 'There is nothing at this address' },
  not_owner: { status: 403, title: 'The code belongs to somebody else' },
  booking_not_found: { status: 404, title: 'No such booking' },
  code_not_found: { status: 404, title: 'No such code' },
  coupon_not_found: { status: 404, title: 'No such coupon' },
  message_not_found: { status: 404, title: 'No such webhook message' },
  endpoint_not_found: { status: 404, title: 'No such webhook endpoint' },
  event_not_found: { status: 404, title: 'No such event' },
  reservation_not_found: { status: 404, title: 'No such reservation' },
  run_not_found: { status: 404, title: 'No such run' },
  seat_not_found: { status: 404, title: 'The event has no such seat' },
  ticket_not_found: { status: 404, title: 'No such ticket' },
  method_not_allowed: { status: 405, title: 'This address does not know that method' },
  already_claimed: { status: 409, title: 'The person has claimed this coupon already' },
  already_refunded: { status: 409, title: 'The booking was paid back already' },
  below_granted: { status: 409, title: 'The amount is below what has been granted' },
  booking_not_confirmed: { status: 409, title: 'The booking is not paid for' },
  code_locked: { status: 409, title: 'The code is locked by another session' },
  code_not_assigned: { status: 409, title: 'Nobody has the code yet' },
  code_not_available: { status: 409, title: 'Somebody has the code already, or it is used up' },
  code_public: { status: 409, title: 'Anybody may use the code' },
  code_redeemed: { status: 409, title: 'The code is redeemed' },
  codes_exhausted: { status: 409, title: 'Nearly all codes of this form exist' },
  coupon_exists: { status: 409, title: 'A coupon of this name exists' },
  coupon_has_book: { status: 409, title: 'The amount is the number of codes in the book' },
  coupon_has_claims: { status: 409, title: 'Units were granted without codes' },
  coupon_inactive: { status: 409, title: 'The coupon is paused, ended or not started' },
  ended: { status: 409, title: 'The sale has ended' },
  endpoint_disabled: { status: 409, title: 'The webhook endpoint is disabled' },
  endpoints_exhausted: { status: 409, title: 'There are as many webhook endpoints as there may be' },
  event_has_reservations: { status: 409, title: 'Seats of the event are held or booked' },
  idempotency_key_in_use: { status: 409, title: 'The first request with this key is still running' },
  minimum_not_met: { status: 409, title: 'The order is below the minimum of the coupon' },
  not_on_sale: { status: 409, title: 'The seats are not on sale' },
  not_started: { status: 409, title: 'The sale has not started' },
  order_already_used: { status: 409, title: 'The order has used a code already' },
  paused: { status: 409, title: 'The sale is paused' },
  payment_in_progress: { status: 409, title: 'A payment for the reservation is under way' },
  quota_reached: { status: 409, title: 'The person has as many as the coupon allows' },
  refund_exceeds_payment: { status: 409, title: 'More than was paid' },
  refund_failed: { status: 409, title: 'The provider refused the refund' },
  reservation_expired: { status: 409, title: 'The reservation holds its seats no longer' },
  redemption_limit: { status: 409, title: 'The code was redeemed as often as allowed' },
  reservation_booked: { status: 409, title: 'The reservation is booked' },
  seat_exists: { status: 409, title: 'The event has a seat of this number' },
  seat_taken: { status: 409, title: 'Somebody has the seat' },
  stale_seat: { status: 409, title: 'The seat has changed since it was seen' },
  sold_out: { status: 409, title: 'Nothing is left' },
  ticket_lost: { status: 410, title: 'The place in line was lost; claim again' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The content type is not supported' },
  idempotency_key_reused: { status: 422, title: 'The key was used for another request' },
  internal: { status: 500, title: 'Something went wrong on our side' },
  payment_method_unavailable: { status: 501, title: 'The payment method is not offered here' },
  overloaded: { status: 503, title: 'More has come than can be answered; try again later' },
  unavailable: { status: 503, title: 'A store is not available; try again later' },
} as const;

/** A code of the closed list. */
export type ProblemCode = keyof typeof problems;

/** One wrong field: `path` names it (dots for nesting), `message` says what is wrong. */
export type FieldError = { path: string; message: string };

/**
 * A failure that a caller is told about, as a value: `message` is one sentence without internals,
 * `errors` the wrong fields, `extra` what the answer has besides.
 */
export type Problem = {
  code: ProblemCode;
  message: string;
  /** Where it is not the code's usual one. */
  status?: number;
  retryAfterSeconds?: number;
  errors?: FieldError[];
  extra?: Record<string, unknown>;
};

/** A problem that is thrown, for where returning it would only be passed on. */
export class AppError extends Error {
  readonly problem: Problem;

  constructor(
    code: ProblemCode,
    message: string,
    options: Omit<Problem, 'code' | 'message'> & { cause?: unknown } = {},
  ) {
    const { cause, ...rest } = options;
    super(message, { cause });
    this.name = 'AppError';
    this.problem = { code, message, ...rest };
  }
}
