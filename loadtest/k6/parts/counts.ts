import { Counter, Gauge, Trend } from 'k6/metrics';

/** What an answer to a claim can say. `joined`: in line already, the same ticket again. */
export type Said =
  | 'admitted'
  | 'joined'
  | 'granted'
  | 'already_claimed'
  | 'sold_out'
  | 'seat_taken'
  | 'unexpected';

/** What a validation can come to in a scenario. */
export type Outcome =
  | 'valid'
  | 'code_not_found'
  | 'coupon_inactive'
  | 'minimum_not_met'
  | 'not_assigned_to_user';

/*
 * Every metric of the scenarios. Those of one kind share a prefix, by which the summary finds them.
 */

/** Iterations that did their work: in an open model, everybody who was to arrive. */
export const arrivals = new Counter('arrivals');

export const claims: Record<Said, Counter> = {
  admitted: new Counter('claims_admitted'),
  joined: new Counter('claims_joined'),
  granted: new Counter('claims_granted'),
  already_claimed: new Counter('claims_already_claimed'),
  sold_out: new Counter('claims_sold_out'),
  seat_taken: new Counter('claims_seat_taken'),
  unexpected: new Counter('claims_unexpected'),
};

export const validations: Record<Outcome | 'unexpected', Counter> = {
  valid: new Counter('validations_valid'),
  code_not_found: new Counter('validations_code_not_found'),
  coupon_inactive: new Counter('validations_coupon_inactive'),
  minimum_not_met: new Counter('validations_minimum_not_met'),
  not_assigned_to_user: new Counter('validations_not_assigned_to_user'),
  unexpected: new Counter('validations_unexpected'),
};

export const tickets = {
  granted: new Counter('tickets_granted'),
  refused: new Counter('tickets_refused'),
  undecided: new Counter('tickets_undecided'),
};

export const reads = {
  answered: new Counter('reads_answered'),
  unexpected: new Counter('reads_unexpected'),
};

/** From the start of a request, a wait for a connection included, to the end of its answer. */
export const latency = {
  claim: new Trend('latency_claim', true),
  read: new Trend('latency_read', true),
  validation: new Trend('latency_validation', true),
};

/** From the claim to the outcome in the client's hands, by the way in which its ticket was read. */
export const outcomeLatency = {
  poll: new Trend('latency_outcome_by_poll', true),
  wait: new Trend('latency_outcome_by_wait', true),
  stream: new Trend('latency_outcome_by_stream', true),
};

export const coupons = {
  exact: new Counter('coupons_exact'),
  wrong: new Counter('coupons_wrong'),
};

/** One up for each grant that an answer told of, down by the grants that the coupon then has: 0 in the end. */
export const grantsUnaccounted = new Counter('grants_unaccounted');

/** From the first request to the last answer, in ms. */
export const loadTime = new Gauge('load_time', true);
