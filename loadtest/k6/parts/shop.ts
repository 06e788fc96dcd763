import { sleep } from 'k6';
import {
  assignCode,
  bodyOf,
  createCoupon,
  latencyMs,
  pauseCoupon,
  readValidationStats,
  show,
  uploadCodes,
  type ValidationStats,
  validate,
  validateAtOnce,
} from './calls.ts';
import { coupons as checked, latency, loadTime, type Outcome, validations } from './counts.ts';
import { WARM_UP_AT_ONCE } from './warm-up.ts';

/** What a run is about: coupons in turn public, personal and paused, each with as many codes. */
export type Shop = { run: string; startedAtMs: number; coupons: number; codes: number };

/** What is asked, and what must come of it: `coupon` where the code is one of its. */
type Ask = {
  body: { code: string; user_id: string; order_value: number };
  coupon: number | null;
  outcome: Outcome;
};

const KINDS = ['public', 'personal', 'paused'] as const;
const DISCOUNT = { type: 'percentage', value: 10, minimum_order_value: 1000, currency: 'EUR' };

/** Of ten in a row, so many are asked like that; the others must be valid where the coupon is open. */
const STRANGERS = 1;
const TOO_SMALL = 1;
const UNKNOWN = 1;
const TEN = 10;

const limits = {
  /** For the last attempts to be on record: the log is written every 5 s at least. */
  logMs: 60_000,
  logPollS: 0.2,
} as const;

/** Creates the coupons with their codes, and gives the personal ones to their owners. */
export function openShop({ coupons, codes }: { coupons: number; codes: number }): Shop {
  const shop = {
    run: `V${__ENV.RUN || Date.now().toString(36)}`.toUpperCase(),
    startedAtMs: 0,
    coupons,
    codes,
  };
  for (let n = 0; n <= coupons; n++) {
    const isPublic = kindOf(n) !== 'personal';
    createCoupon(nameOf(shop, n), codes, {
      ...{
        discount: DISCOUNT,
        public: isPublic,
        max_redemptions_per_code: null,
        per_user_limit: isPublic ? 1 : codes,
      },
    });
    const book = Array.from({ length: codes }, (_, k) => codeOf(shop, n, k));
    uploadCodes(nameOf(shop, n), book);
    if (!isPublic) for (const [k, code] of book.entries()) assignCode(code, ownerOf(k));
    if (kindOf(n) === 'paused') pauseCoupon(nameOf(shop, n));
  }
  return shop;
}

/** Validations on a coupon of their own, the one beyond the last, so that no figure is one of a process just started. */
export function askWarmUp(shop: Shop, count: number): void {
  for (let first = 0; first < count; first += WARM_UP_AT_ONCE) {
    const bodies = Array.from({ length: WARM_UP_AT_ONCE }, (_, index) => ({
      ...{
        code: codeOf(shop, shop.coupons, (first + index) % shop.codes),
        user_id: 'somebody',
        order_value: 1,
      },
    }));
    for (const answer of validateAtOnce(first, bodies))
      if (answer.status !== 200) throw new Error(`a validation of the warm-up answered ${answer.status}`);
  }
}

/** The question number `turn`, the same in every run. */
export function askOf(shop: Shop, turn: number): Ask {
  const round = Math.floor(turn / TEN);
  const coupon = round % shop.coupons;
  const k = (Math.floor(round / shop.coupons) * TEN + (turn % TEN)) % shop.codes;
  const place = turn % TEN;
  const isStranger = place < STRANGERS;
  const isTooSmall = !isStranger && place < STRANGERS + TOO_SMALL;
  const isUnknown = !isStranger && !isTooSmall && place < STRANGERS + TOO_SMALL + UNKNOWN;
  const body = {
    code: isUnknown ? `${codeOf(shop, coupon, k)}-NOT` : codeOf(shop, coupon, k),
    user_id: isStranger ? 'a-stranger' : ownerOf(k),
    order_value: isTooSmall ? DISCOUNT.minimum_order_value - 1 : DISCOUNT.minimum_order_value + turn,
  };
  if (isUnknown) return { body, coupon: null, outcome: 'code_not_found' };
  if (kindOf(coupon) === 'paused') return { body, coupon, outcome: 'coupon_inactive' };
  if (isTooSmall) return { body, coupon, outcome: 'minimum_not_met' };
  if (isStranger && kindOf(coupon) === 'personal') return { body, coupon, outcome: 'not_assigned_to_user' };
  return { body, coupon, outcome: 'valid' };
}

/** Sends a question and counts its answer; whatever is not what must come of it, amounts included, is unexpected. */
export function countValidation(turn: number, { body, outcome }: Ask): void {
  const response = validate(turn, body);
  const answer = bodyOf<{ valid: boolean; reason?: string; discount_amount?: number; final_amount?: number }>(
    response,
  );
  const discount = Math.floor((body.order_value * DISCOUNT.value) / 100 + 0.5);
  const isRight =
    response.status === 200 &&
    (outcome === 'valid'
      ? answer?.valid === true &&
        answer.discount_amount === discount &&
        answer.final_amount === body.order_value - discount
      : answer?.valid === false && answer.reason === outcome);
  validations[isRight ? outcome : 'unexpected'].add(1);
  latency.validation.add(latencyMs(response));
  if (!isRight) show('a validation', response);
}

/** Waits until all attempts are on record, and compares the statistics of each coupon with what was asked. */
export function checkLog(shop: Shop, requests: number): void {
  loadTime.add(Date.now() - shop.startedAtMs);
  const expected = Array.from({ length: shop.coupons }, (): Record<string, number> => ({}));
  for (let turn = 0; turn < requests; turn++) {
    const { coupon, outcome } = askOf(shop, turn);
    const counts = coupon === null ? undefined : expected[coupon];
    if (counts) counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  const deadlineMs = Date.now() + limits.logMs;
  for (const [n, counts] of expected.entries()) {
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    let stats = readValidationStats(nameOf(shop, n));
    for (; stats.attempts < total && Date.now() < deadlineMs; stats = readValidationStats(nameOf(shop, n)))
      sleep(limits.logPollS);
    const fault = faultOf(stats, counts, total);
    checked[fault ? 'wrong' : 'exact'].add(1);
    if (fault) console.error(`${nameOf(shop, n)}: ${fault}`);
  }
}

function faultOf(stats: ValidationStats, counts: Record<string, number>, total: number): string | null {
  const logged = { ...stats.by_reason, valid: stats.valid };
  const wrong = Object.entries(logged).find(([outcome, count]) => count !== (counts[outcome] ?? 0));
  if (wrong) return `${wrong[1]} ${wrong[0]} in the log, not ${counts[wrong[0]] ?? 0}`;
  return stats.attempts === total ? null : `${stats.attempts} attempts in the log, not ${total}`;
}

function kindOf(coupon: number): (typeof KINDS)[number] {
  return KINDS[coupon % KINDS.length]!;
}

function nameOf({ run }: Shop, coupon: number): string {
  return `validations-${run}-${coupon}`;
}

function codeOf({ run }: Shop, coupon: number, k: number): string {
  return `${run}-${coupon}-${k}`;
}

function ownerOf(k: number): string {
  return `owner-${k}`;
}
