import type { Options } from 'k6/options';
import { arrive, openModel } from './arrivals.ts';
import { claim, getClaims, getCoupon, getLine, getTicket } from './calls.ts';
import { countClaim } from './claim-answer.ts';
import { buildOptions } from './options.ts';
import { countRead } from './read-answer.ts';
import { summarizeAs } from './report.ts';
import { closeSale, openSale, type Sale, tellGrant } from './sale.ts';
import type { ScenarioName } from './scenarios.ts';

/** What is asked for, in 20 requests one after the other. */
const SHARES = { claim: 8, ticket: 6, coupon: 3, line: 2, list: 1 } as const;
type Work = keyof typeof SHARES;
const WORKS = Object.entries(SHARES).flatMap(([work, share]) => Array<Work>(share).fill(work as Work));

/** A scarce coupon has units for one in so many of its claims. */
const SCARCITY = 4;

let lastTicket: string | undefined;

/**
 * What a scenario exports in which claims of distinct people and every kind of read come mixed, at a constant
 * rate and on several coupons in turn. Every other coupon sells out, from the second on; the others do not.
 */
export function mixture(
  name: ScenarioName,
  plan: {
    rate: number;
    seconds: number;
    coupons: number;
    connections: number;
    warmUp: number;
    p95Ms: number;
    p99Ms: number;
  },
) {
  const requests = plan.rate * plan.seconds;
  const isScarce = (coupon: number) => coupon % 2 === 1;
  const claimsEach = Math.floor(requests / WORKS.length / plan.coupons) * SHARES.claim;
  const scarceUnits = Math.max(1, Math.floor(claimsEach / SCARCITY));

  const options: Options = buildOptions({
    ...plan,
    scenarios: openModel({ ...plan, count: requests }),
    arrivals: requests,
    possible: ['admitted', 'sold_out'],
  });

  function setup(): Sale {
    const kinds = Array.from({ length: plan.coupons }, (_, index) =>
      isScarce(index)
        ? { amount: scarceUnits, granted: scarceUnits, told: false }
        : { amount: requests, granted: null, told: true },
    );
    return openSale(name, plan.warmUp, kinds);
  }

  function work({ run, coupons }: Sale): void {
    const turn = arrive(requests);
    if (turn === null) return;
    const index = Math.floor(turn / WORKS.length) % coupons.length;
    const coupon = coupons[index]!.name;
    const next = WORKS[turn % WORKS.length]!;
    if (next === 'claim') {
      const { said, ticket } = countClaim(claim(turn, coupon, `${run}-${turn}`));
      if (said === 'admitted' && !isScarce(index)) tellGrant();
      lastTicket = ticket ?? lastTicket;
    } else if (next === 'ticket' && lastTicket) countRead(getTicket(turn, lastTicket));
    else if (next === 'line') countRead(getLine(turn, coupon));
    else if (next === 'list') countRead(getClaims(turn, coupon));
    else countRead(getCoupon(turn, coupon));
  }

  return { options, setup, work, teardown: closeSale, handleSummary: summarizeAs(name) };
}
