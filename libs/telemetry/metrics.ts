import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The process's registry; the table below names every metric of Claimline. */
export const registry = new Registry();
collectDefaultMetrics({ register: registry });

const registers = [registry];
const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Labels are few and bounded: never a person, a ticket or a coupon. */
export const metrics = {
  httpSeconds: new Histogram({
    name: 'claimline_http_request_duration_seconds',
    help: 'Time to answer, by route template, method and status.',
    labelNames: ['route', 'method', 'status'],
    buckets: secondsBuckets,
    registers,
  }),
  claims: new Counter({
    name: 'claimline_claims_total',
    help: 'Claims by what the gate said: admitted, joined, refused with a reason, full.',
    labelNames: ['verdict'],
    registers,
  }),
  trainSize: new Histogram({
    name: 'claimline_train_claims',
    help: 'Claims that passed the gate in one call.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  }),
  gateWaitSeconds: new Histogram({
    name: 'claimline_gate_wait_seconds',
    help: 'How long the first claim of a train took from its arrival until it had passed gate and queue.',
    buckets: secondsBuckets,
    registers,
  }),
  requestsInFlight: new Gauge({
    name: 'claimline_requests_in_flight',
    help: 'Requests that are worked on, without those that wait for an outcome.',
    registers,
  }),
  shed: new Counter({
    name: 'claimline_shed_total',
    help: 'Requests turned away in an overload, by what was full: in_flight, waiters, lane_wait, process_wait.',
    labelNames: ['why'],
    registers,
  }),
  waiters: new Gauge({
    name: 'claimline_waiters',
    help: 'Requests and streams that wait for an outcome.',
    registers,
  }),
  decided: new Counter({
    name: 'claimline_claims_decided_total',
    help: 'Claims decided by this worker, by outcome and reason.',
    labelNames: ['outcome', 'reason'],
    registers,
  }),
  settleSeconds: new Histogram({
    name: 'claimline_settle_duration_seconds',
    help: 'Time of a settle statement.',
    buckets: secondsBuckets,
    registers,
  }),
  settleClaims: new Histogram({
    name: 'claimline_settle_claims',
    help: 'Claims in a settle statement.',
    buckets: [1, 10, 50, 100, 500, 1000, 2000, 5000],
    registers,
  }),
  settleAgain: new Counter({
    name: 'claimline_settle_again_total',
    help: 'Settle statements run again, by why: stale, conflict or transient.',
    labelNames: ['why'],
    registers,
  }),
  ticketSeconds: new Histogram({
    name: 'claimline_ticket_seconds',
    help: 'From the ticket to its outcome.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  }),
  codesStored: new Counter({
    name: 'claimline_codes_stored_total',
    help: 'Codes put into books.',
    registers,
  }),
  codeActions: new Counter({
    name: 'claimline_code_actions_total',
    help: 'Locks, unlocks, redemptions and lapsed locks, and refused assigns by name, by how they ended.',
    labelNames: ['action', 'verdict'],
    registers,
  }),
  validations: new Counter({
    name: 'claimline_validations_total',
    help: 'Validations by result: valid, or the reason why not.',
    labelNames: ['result'],
    registers,
  }),
  validationLookups: new Histogram({
    name: 'claimline_validation_lookups',
    help: 'Validations that were answered by one statement.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  }),
  validationLogRows: new Counter({
    name: 'claimline_validation_log_rows_total',
    help: 'Validations that were answered, by what became of their row: written, put aside, dropped.',
    labelNames: ['fate'],
    registers,
  }),
  validationLogBacklog: new Gauge({
    name: 'claimline_validation_log_backlog',
    help: 'Validations that were answered and are not in the log yet.',
    registers,
  }),
  validationLogSeconds: new Histogram({
    name: 'claimline_validation_log_write_seconds',
    help: 'Time to write a batch into the usage log.',
    buckets: secondsBuckets,
    registers,
  }),
  payments: new Counter({
    name: 'claimline_payments_total',
    help: 'Conclusions drawn from charges, by what the payment is then.',
    labelNames: ['status'],
    registers,
  }),
  refunds: new Counter({
    name: 'claimline_refunds_total',
    help: 'Answers of providers to refunds, by why they were asked and what was said.',
    labelNames: ['why', 'status'],
    registers,
  }),
  webhookAttempts: new Counter({
    name: 'claimline_webhook_attempts_total',
    help: 'Attempts to deliver by what they came to: delivered, retry, exhausted, gone, receiver; held: the breaker was open.',
    labelNames: ['verdict'],
    registers,
  }),
  webhookDeliveries: new Gauge({
    name: 'claimline_webhook_deliveries',
    help: 'Deliveries of the installation that are pending, and those that are exhausted: the dead letters; counted up to 100,000. Of an API process.',
    labelNames: ['status'],
    registers,
  }),
  outboxRows: new Gauge({
    name: 'claimline_outbox_rows',
    help: 'What was decided and is not yet a message; counted up to 100,000. Of an API process.',
    registers,
  }),
  webhookCountsTimestamp: new Gauge({
    name: 'claimline_webhook_counts_timestamp_seconds',
    help: 'When claimline_webhook_deliveries and claimline_outbox_rows were counted last, and what they say is of. Of an API process.',
    registers,
  }),
  webhookDisabled: new Counter({
    name: 'claimline_webhook_endpoints_disabled_total',
    help: 'Endpoints that were disabled for what they answered, by reason: gone, receiver or failing.',
    labelNames: ['reason'],
    registers,
  }),
  seatRequests: new Counter({
    name: 'claimline_seat_requests_total',
    help: 'Requests for seats by what the gate said: admitted, or refused with a reason.',
    labelNames: ['verdict'],
    registers,
  }),
  reservations: new Counter({
    name: 'claimline_reservations_total',
    help: 'Requests for seats decided by this worker, held or refused, and reservations that expired.',
    labelNames: ['outcome'],
    registers,
  }),
  reserveSeconds: new Histogram({
    name: 'claimline_reserve_duration_seconds',
    help: 'Time to prepare and settle reservations of an event.',
    buckets: secondsBuckets,
    registers,
  }),
  reserveRequests: new Histogram({
    name: 'claimline_reserve_requests',
    help: 'Requests for seats in a settle.',
    buckets: [1, 10, 50, 100, 500, 1000, 2000],
    registers,
  }),
  lanesOpen: new Gauge({ name: 'claimline_lanes_open', help: 'Lanes open in this worker.', registers }),
  jobsDead: new Counter({
    name: 'claimline_jobs_dead_total',
    help: 'Jobs that ended in the failed set.',
    registers,
  }),
  repairs: new Counter({
    name: 'claimline_repairs_total',
    help: 'What was put right between gate, queue and tables, by what was done.',
    labelNames: ['what'],
    registers,
  }),
  violations: new Gauge({
    name: 'claimline_invariant_violations',
    help: 'Violations that the last verification by this process found, by invariant. Must be 0.',
    labelNames: ['invariant'],
    registers,
  }),
  verifiedAt: new Gauge({
    name: 'claimline_verified_timestamp_seconds',
    help: 'When this process last finished a verification.',
    registers,
  }),
  errors: new Counter({
    name: 'claimline_errors_total',
    help: 'Errors of stores and surprises, by where.',
    labelNames: ['where'],
    registers,
  }),
  logLinesDropped: new Counter({
    name: 'claimline_log_lines_dropped_total',
    help: 'Lines of the log that were dropped, since nobody read standard output.',
    registers,
  }),
  notices25001: new Counter({
    name: 'claimline_pg_notice_25001_total',
    help: 'Postgres notices "already in a transaction": a sign that writes are being mixed up. Must be 0.',
    registers,
  }),
};
