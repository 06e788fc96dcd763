import { sleep } from 'k6';
import { createCoupon, readLine } from './calls.ts';
import { grantsUnaccounted, loadTime } from './counts.ts';
import { checkCoupon, type Expected } from './exact.ts';
import type { ScenarioName } from './scenarios.ts';
import { warmUp } from './warm-up.ts';

/** What a run is about: made by `setup`, handed to every iteration and to `teardown`. */
export type Sale = { run: string; startedAtMs: number; coupons: Expected[] };

const limits = {
  /** For the line to be empty after the last answer. */
  settleMs: 120_000,
  settlePollS: 0.1,
} as const;

/**
 * Opens the coupons of a run, after a warm-up of so many claims. Their names, and all people, begin with the name
 * of the run: the scenario and RUN, else the time.
 */
export function openSale(scenario: ScenarioName, warmUpClaims: number, plan: Omit<Expected, 'name'>[]): Sale {
  const run = `${scenario}-${__ENV.RUN || Date.now().toString(36)}`;
  warmUp(`${run}-warm-up`, warmUpClaims);
  const coupons = plan.map((one, index) => ({ ...one, name: index === 0 ? run : `${run}-${index}` }));
  for (const { name, amount } of coupons) createCoupon(name, amount);
  return { run, startedAtMs: Date.now(), coupons };
}

/** Waits until nobody is in line any more, and then checks the counts of every coupon. */
export function closeSale({ run, startedAtMs, coupons }: Sale): void {
  loadTime.add(Date.now() - startedAtMs);
  awaitEmptyLines(coupons.map(({ name }) => name));
  for (const expected of coupons) {
    const claimed = checkCoupon(run, expected);
    if (expected.told) grantsUnaccounted.add(-claimed);
  }
}

/** An answer told of a grant, or must come to one, on a coupon that is `told`. */
export function tellGrant(): void {
  grantsUnaccounted.add(1);
}

function awaitEmptyLines(names: string[]): void {
  const deadlineMs = Date.now() + limits.settleMs;
  // The first reading may be from before the last claim.
  const stale = new Map(names.map(name => [name, readLine(name).updated_at]));
  for (const name of names) {
    for (;;) {
      const { in_line, updated_at } = readLine(name);
      if (in_line === 0 && updated_at !== stale.get(name)) break;
      if (Date.now() > deadlineMs) throw new Error(`${name}: ${in_line} in line after ${limits.settleMs} ms`);
      sleep(limits.settlePollS);
    }
  }
}
