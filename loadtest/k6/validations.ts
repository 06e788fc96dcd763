/* Validations of real codes, public, personal, paused and unknown, in an open model: the log counts each answer. */
import type { Options } from 'k6/options';
import { arrive, openModel } from './parts/arrivals.ts';
import { buildOptions } from './parts/options.ts';
import { summarizeAs } from './parts/report.ts';
import { readSettings } from './parts/settings.ts';
import { askOf, askWarmUp, checkLog, countValidation, openShop, type Shop } from './parts/shop.ts';

const { rate, seconds, coupons, codes, ...settings } = readSettings('validations');
const requests = rate * seconds;

const shared = buildOptions({
  ...settings,
  scenarios: openModel({ ...settings, rate, count: requests }),
  arrivals: requests,
  possible: [],
  coupons,
});

export const options: Options = {
  ...shared,
  thresholds: {
    ...shared.thresholds,
    validations_unexpected: ['count==0'],
    latency_validation: [`p(95)<${settings.p95Ms}`, `p(99)<${settings.p99Ms}`],
  },
};

export function setup(): Shop {
  const shop = openShop({ coupons, codes });
  askWarmUp(shop, settings.warmUp);
  return { ...shop, startedAtMs: Date.now() };
}

export default function validateOnce(shop: Shop): void {
  const turn = arrive(requests);
  if (turn !== null) countValidation(turn, askOf(shop, turn));
}

export function teardown(shop: Shop): void {
  checkLog(shop, requests);
}

export const handleSummary = summarizeAs('validations');
