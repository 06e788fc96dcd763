import type { Options } from 'k6/options';
import { arrive, openModel } from './arrivals.ts';
import { claim } from './calls.ts';
import { countClaim } from './claim-answer.ts';
import { buildOptions } from './options.ts';
import { summarizeAs } from './report.ts';
import { closeSale, openSale, type Sale, tellGrant } from './sale.ts';
import type { ScenarioName } from './scenarios.ts';

/**
 * What a scenario exports in which distinct people arrive at a constant rate and claim once each: the units are
 * granted exactly, and who is not admitted is told that they are sold out.
 */
export function crowd(
  name: ScenarioName,
  plan: {
    people: number;
    units: number;
    rate: number;
    connections: number;
    warmUp: number;
    p95Ms: number;
    p99Ms: number;
  },
) {
  const { people, units } = plan;
  const isScarce = units < people;
  const options: Options = buildOptions({
    ...plan,
    scenarios: openModel({ ...plan, count: people }),
    arrivals: people,
    possible: isScarce ? ['admitted', 'sold_out'] : ['admitted'],
    coupons: 1,
  });
  return {
    options,
    setup: () =>
      openSale(name, plan.warmUp, [{ amount: units, granted: isScarce ? units : null, told: !isScarce }]),
    claimOnce({ run }: Sale): void {
      const turn = arrive(people);
      if (turn === null) return;
      const { said } = countClaim(claim(turn, run, `${run}-${turn}`));
      if (said === 'admitted' && !isScarce) tellGrant();
    },
    teardown: closeSale,
    handleSummary: summarizeAs(name),
  };
}
