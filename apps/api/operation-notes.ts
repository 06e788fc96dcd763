import type { OperationNote } from '@claimline/http/openapi-operation';
import { type ProblemCode, problems } from '@claimline/kernel/error';
import { reasons } from '@claimline/validations';
import { bookingNotes } from './booking-notes.ts';
import { seatNotes } from './seat-notes.ts';

/** The tags of the reference, in the order in which a reader should meet them. */
export const tags = {
  Coupons: 'Limited stock on sale in a window: create, read, change.',
  Claims: "A person's request for one unit: claim, hold a ticket, learn the outcome.",
  Tickets: 'Read a ticket of a claim or a reservation, wait for its outcome, follow it.',
  Codes: 'Books of codes: fill them; lock, redeem and follow what was handed out.',
  Validations: 'Ask whether a code is good for a person and an order, without using it.',
  Events: 'Events with seats: create, change, find; the seat map.',
  Reservations: 'Seats that are held together for a while: reserve, read, release.',
  Bookings: 'Pay for a reservation, read the booking, give its money back.',
  Webhooks: 'Endpoints of merchants: where they are told what happened, signed after Standard Webhooks 1.0.',
  Operations: 'For monitors and the people who run this server.',
  Reference: 'What you are reading.',
};

const window = { starts_at: '2026-12-24T18:00:00Z', ends_at: '2026-12-24T19:00:00Z' };
const coupon = {
  name: 'WINTER',
  amount: 1000,
  remaining_amount: 998,
  claimed_by: ['ada', 'grace'],
  claimed_count: 2,
  status: 'active',
  starts_at: '2026-12-24T18:00:00.000Z',
  ends_at: '2026-12-24T19:00:00.000Z',
  per_user_limit: 1,
  lock_ttl_seconds: 300,
  max_redemptions_per_code: 1,
  public: false,
  discount: null,
  metadata: {},
  created_at: '2026-12-01T09:00:00.000Z',
  updated_at: '2026-12-01T09:00:00.000Z',
};
const ticket = 'tkt_cLhhPTX6TRyrh0zXw5rEXwGaWvsqgPYFIeI4vbLmjtPuNSfW';
const queued = {
  ticket,
  coupon_name: 'WINTER',
  user_id: 'ada',
  status: 'queued',
  position: 12,
  ahead: 11,
  eta: { known: true, seconds: 1 },
  created_at: '2026-12-24T18:00:00.004Z',
};
const granted = {
  ticket,
  coupon_name: 'WINTER',
  user_id: 'ada',
  status: 'granted',
  eta: { known: true, seconds: 0 },
  claim: { claim_id: 'clm_1', sequence: 1 },
  created_at: '2026-12-24T18:00:00.004Z',
  decided_at: '2026-12-24T18:00:00.019Z',
};
const claim = {
  claim_id: 'clm_1',
  sequence: 1,
  user_id: 'ada',
  coupon_name: 'WINTER',
  ticket,
  granted_at: '2026-12-24T18:00:00.019Z',
};

const code = {
  code: 'SUMMER-4827-KXWP',
  coupon_name: 'SUMMER',
  status: 'assigned',
  user_id: 'ada',
  claim_id: 'clm_1',
  assigned_at: '2026-12-24T18:00:00.019Z',
  locked_until: null,
  redemption_count: 0,
  max_redemptions: 1,
  redeemed_at: null,
  created_at: '2026-12-01T09:00:00.000Z',
};
const change = {
  action: 'lock',
  actor: 'user',
  user_id: 'ada',
  status_before: 'assigned',
  status_after: 'locked',
  address: '192.0.2.7',
  agent: 'shop/1.0',
  metadata: null,
  created_at: '2026-12-24T18:05:00.000Z',
};
const redemption = {
  redemption_id: 'rdm_1',
  code: code.code,
  coupon_name: 'SUMMER',
  user_id: 'ada',
  order_id: 'order-7',
  order_value: 4900,
  discount_amount: 490,
  final_amount: 4410,
  redeemed_at: '2026-12-24T18:06:00.000Z',
};
const codeRun = {
  run_id: '0b5b2a3e-6a4c-4a0e-9a51-3f9f8f0d8c11',
  coupon_name: 'SUMMER',
  status: 'running',
  quantity: 1_000_000,
  created: 250_000,
  skipped: 0,
  started_at: '2026-12-01T09:00:00.000Z',
  finished_at: null,
};

const endpoint = {
  id: 'ep_0mij3k1xw4f9q2c7v8b5n6m1a',
  url: 'https://shop.example/webhooks',
  event_types: ['claim.granted', 'coupon.sold_out'],
  coupons: null,
  description: 'Orders',
  status: 'enabled',
  disabled_at: null,
  disabled_reason: null,
  created_at: '2026-12-01T09:00:00.000Z',
  updated_at: '2026-12-01T09:00:00.000Z',
};
const secret = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';

const message = {
  id: 'msg_6f1c0f3a5f0b4f7f8f6a2d3c4b5a6978_1',
  type: 'claim.granted',
  timestamp: '2026-12-24T18:00:00.123Z',
  data: {
    coupon_name: 'WINTER',
    user_id: 'ada',
    ticket,
    claim_id: 'clm_4711',
    sequence: 12,
    event_sequence: 14,
  },
  deliveries: [
    { endpoint_id: endpoint.id, callback_url: null, status: 'delivered', attempts: 1, next_attempt_at: null },
  ],
};
const attempt = {
  message_id: message.id,
  type: message.type,
  attempt: 1,
  reason: 'event',
  status: 'succeeded',
  status_code: 204,
  error: null,
  response_body: '',
  duration_ms: 31,
  created_at: '2026-12-24T18:00:00.160Z',
};

const means = (...codes: ProblemCode[]) =>
  codes.map(code => `\`${code}\` ${problems[code].title}`).join('; ');

/** By operation id: examples, and the headers that do not follow from a status. */
export const operationNotes: Record<string, OperationNote> = {
  ...bookingNotes,
  createCoupon: {
    body: { name: 'WINTER', amount: 1000, ...window },
    answers: { 201: { ...coupon, remaining_amount: 1000, claimed_by: [], claimed_count: 0 } },
  },
  readCoupon: { answers: { 200: coupon } },
  changeCoupon: {
    body: { amount: 1500 },
    answers: { 200: { ...coupon, amount: 1500, remaining_amount: 1498 } },
  },
  readCouponStats: {
    answers: {
      200: {
        total: 1000,
        available: 998,
        assigned: 2,
        locked: 0,
        redeemed: 0,
        expired: 0,
        claims: 2,
        validations: 0,
      },
    },
  },
  claimSimply: {
    body: { user_id: 'ada', coupon_name: 'WINTER' },
    answers: { 200: granted, 202: queued },
    // The well-known contract has 400 where nothing is left.
    descriptions: {
      400: means('invalid_request', 'sold_out'),
      409: means('already_claimed', 'not_started', 'ended', 'paused', 'idempotency_key_in_use'),
    },
  },
  claim: {
    body: { user_id: 'ada' },
    answers: { 200: granted, 202: queued },
    headers: {
      200: ['Preference-Applied', 'Content-Location'],
      202: ['Preference-Applied'],
    },
  },
  readTicket: {
    answers: { 200: granted },
    headers: {
      200: ['ETag', 'Cache-Control', 'Retry-After', 'Preference-Applied'],
      304: ['ETag', 'Cache-Control', 'Retry-After', 'Preference-Applied'],
    },
    requestHeaders: {
      Prefer: '`wait=N` does what `?wait=N` does.',
      'If-None-Match': 'The ETag of the last answer: 304 while nothing has changed.',
    },
  },
  readLine: {
    answers: {
      200: {
        status: 'active',
        remaining_amount: 998,
        in_line: 40,
        settled_per_second: 12000,
        updated_at: '2026-12-24T18:00:00.500Z',
      },
    },
    headers: { 200: ['Cache-Control'] },
  },
  generateCodes: {
    body: { quantity: 1000, pattern: 'SUMMER-####-????' },
    answers: { 201: { created: 1000, skipped: 0 }, 202: codeRun },
    headers: { 202: ['Preference-Applied'] },
  },
  readCodeRun: { answers: { 200: codeRun } },
  uploadCodes: {
    body: { codes: ['SPRING-1', 'spring-2'] },
    stream: 'code\nSPRING-1\nspring-2\n',
    answers: { 201: { created: 1, skipped: 1, duplicates: ['SPRING-1'] } },
  },
  listCodes: { answers: { 200: { data: [code], next_cursor: null } } },
  listUserCodes: { answers: { 200: { data: [code], next_cursor: null } } },
  readCode: { answers: { 200: code } },
  listCodeAudit: { answers: { 200: { data: [change], next_cursor: null } } },
  assignCode: { body: { user_id: 'ada' }, answers: { 201: code } },
  lockCode: {
    body: { user_id: 'ada', ttl_seconds: 600 },
    answers: {
      200: {
        code: code.code,
        status: 'locked',
        locked_until: '2026-12-24T18:15:00.000Z',
        lock_ttl_seconds: 600,
      },
    },
  },
  unlockCode: { body: { user_id: 'ada' }, answers: { 200: { code: code.code, status: 'assigned' } } },
  redeemCode: {
    body: { user_id: 'ada', order_id: 'order-7', order_value: 4900 },
    answers: {
      200: {
        code: code.code,
        status: 'redeemed',
        redemption_count: 1,
        max_redemptions: 1,
        final: true,
        redeemed_at: '2026-12-24T18:06:00.000Z',
        discount: 490,
        final_amount: 4410,
      },
    },
  },
  listCouponRedemptions: { answers: { 200: { data: [redemption], next_cursor: null } } },
  listUserRedemptions: { answers: { 200: { data: [redemption], next_cursor: null } } },
  validateCode: {
    body: { code: code.code, user_id: 'ada', order_value: 4900, order_id: 'order-7' },
    answers: {
      200: {
        valid: true,
        discount_amount: 490,
        final_amount: 4410,
        code: code.code,
        coupon_name: 'SUMMER',
      },
    },
  },
  listValidations: {
    answers: {
      200: {
        data: [
          {
            id: 'val_1',
            code: code.code,
            coupon_name: 'SUMMER',
            user_id: 'ada',
            order_id: 'order-7',
            order_value: 4900,
            valid: false,
            reason: 'locked',
            discount_amount: null,
            final_amount: null,
            address: '192.0.2.7',
            agent: 'shop/1.0',
            response_ms: 1.4,
            created_at: '2026-12-24T18:05:00.000Z',
          },
        ],
        next_cursor: null,
      },
    },
  },
  readValidationStats: {
    answers: {
      200: {
        attempts: 3,
        valid: 2,
        invalid: 1,
        by_reason: { ...Object.fromEntries(reasons.map(reason => [reason, 0])), locked: 1 },
        response_ms: { avg: 1.5, min: 0.9, max: 2.2, p95: 2.2 },
      },
    },
  },
  createWebhookEndpoint: {
    body: { url: endpoint.url, event_types: endpoint.event_types, description: endpoint.description },
    answers: { 201: { ...endpoint, secret } },
    headers: { 201: ['Location'] },
  },
  listWebhookEndpoints: { answers: { 200: { data: [endpoint], next_cursor: null } } },
  readWebhookEndpoint: { answers: { 200: endpoint } },
  changeWebhookEndpoint: {
    body: { status: 'disabled' },
    answers: {
      200: {
        ...endpoint,
        status: 'disabled',
        disabled_at: '2026-12-02T09:00:00.000Z',
        disabled_reason: 'operator',
      },
    },
  },
  rotateWebhookSecret: {
    body: { grace_seconds: 86_400 },
    answers: { 200: { id: endpoint.id, secret, previous_until: '2026-12-03T09:00:00.000Z' } },
  },
  rotateCallbackSecret: {
    body: { grace_seconds: 86_400 },
    answers: { 200: { secret, previous_until: '2026-12-03T09:00:00.000Z' } },
  },
  testWebhookEndpoint: {
    body: {},
    answers: {
      200: {
        message_id: 'msg_6f1c0f3a5f0b4f7f8f6a2d3c4b5a6978',
        delivered: false,
        status: null,
        failure: 'tls',
        code: 'CERT_HAS_EXPIRED',
        body: '',
        duration_ms: 84,
      },
    },
    headers: { 503: ['Retry-After'] },
  },
  listWebhookAttempts: { answers: { 200: { data: [attempt], next_cursor: null } } },
  recoverWebhookEndpoint: {
    body: { since: '2026-12-24T18:00:00Z' },
    answers: { 200: { recovered: 37, next_since: null } },
  },
  listWebhookMessages: { answers: { 200: { data: [message], next_cursor: null, cursor: 'MTQ' } } },
  readWebhookMessage: { answers: { 200: message } },
  resendWebhookMessage: { body: {}, answers: { 200: { resent: 1 } } },
  ...seatNotes,
  health: { headers: { 503: ['Retry-After'] } },
  readyz: { headers: { 503: ['Retry-After'] } },
  listCouponClaims: { answers: { 200: { data: [claim], next_cursor: null } } },
  listUserClaims: { answers: { 200: { data: [claim], next_cursor: null } } },
};
