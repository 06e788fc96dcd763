import { randomOf } from '@claimline/kernel/testing-random';
import type { Asked, Status } from './coupon-model.ts';

const clients = 6;
const operationsEach = 5;
const peopleMost = 5;
const amountMost = 4;

/** What several clients will ask of one coupon, each one thing after the other. */
export interface Workload {
  seed: number;
  amount: number;
  plans: Asked[][];
}

/** A workload that is the same for the same seed: mostly claims, by few people, of little stock. */
export function planWorkload(seed: number): Workload {
  const random = randomOf(seed);
  const below = (most: number) => Math.floor(random() * most);
  const people = 2 + below(peopleMost - 1);

  function ask(): Asked {
    const dice = random();
    if (dice < 0.25) return { kind: 'claim', user: `person-${below(people)}`, form: 'simple' };
    if (dice < 0.5) return { kind: 'claim', user: `person-${below(people)}`, form: 'waiting' };
    if (dice < 0.7) return { kind: 'amount', amount: 1 + below(amountMost) };
    if (dice < 0.85) return { kind: 'status', status: pickStatus(random()) };
    return { kind: 'read' };
  }
  const amount = 1 + below(2);
  const plans = Array.from({ length: clients }, () => Array.from({ length: operationsEach }, ask));
  return { seed, amount, plans };
}

/** Mostly open again, or nobody would ever be granted anything. */
function pickStatus(dice: number): Status {
  if (dice < 0.6) return 'active';
  return dice < 0.85 ? 'paused' : 'ended';
}
