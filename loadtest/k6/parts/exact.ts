import { type Coupon, readClaims, readCoupon } from './calls.ts';
import { coupons } from './counts.ts';

/** What a coupon must look like when nobody is in line any more. */
export type Expected = {
  name: string;
  amount: number;
  /** Units that must be granted; null where only the answers can tell. */
  granted: number | null;
  /** Every grant on it is told by `tellGrant`. */
  told: boolean;
};

type Claim = { sequence: number; user_id: string };

/**
 * Reads a coupon and all its claims, counts it as exact or wrong, says what is wrong, and answers how many are
 * granted. `seen` is what was found wrong before. Throws when one of the reads is not answered.
 */
export function checkCoupon(run: string, expected: Expected, seen: string[] = []): number {
  const coupon = readCoupon(expected.name);
  const faults = [
    ...seen,
    ...findFaultsOfCounts(coupon, expected),
    ...findFaultsOfClaims(coupon, readClaims(expected.name), run),
  ];
  coupons[faults.length === 0 ? 'exact' : 'wrong'].add(1);
  for (const fault of faults) console.error(`${expected.name}: ${fault}`);
  return coupon.claimed_count;
}

function findFaultsOfCounts(coupon: Coupon, { amount, granted }: Expected): string[] {
  const { claimed_count: claimed, remaining_amount: remaining } = coupon;
  const faults: string[] = [];
  if (coupon.amount !== amount) faults.push(`the amount is ${coupon.amount}, not ${amount}`);
  if (claimed + remaining !== amount)
    faults.push(`${claimed} granted and ${remaining} left are not ${amount}`);
  if (granted !== null && claimed !== granted) faults.push(`${claimed} granted, not ${granted}`);
  return faults;
}

function findFaultsOfClaims(coupon: Coupon, claims: Claim[], run: string): string[] {
  const faults: string[] = [];
  const people = new Set(claims.map(({ user_id }) => user_id));
  if (claims.length !== coupon.claimed_count)
    faults.push(`${claims.length} claims are listed, ${coupon.claimed_count} are counted`);
  if (people.size !== claims.length) faults.push(`${claims.length} grants went to ${people.size} people`);
  const gap = claims.findIndex(({ sequence }, index) => sequence !== index + 1);
  if (gap >= 0) faults.push(`claim ${gap + 1} in order has the sequence ${claims[gap]?.sequence}`);
  const other = coupon.claimed_by.findIndex((user, index) => user !== claims[index]?.user_id);
  if (other >= 0) faults.push(`claimed_by names ${coupon.claimed_by[other]} where the list does not`);
  const stranger = claims.find(({ user_id }) => !user_id.startsWith(run));
  if (stranger) faults.push(`${stranger.user_id} was granted a unit and is nobody of this run`);
  return faults;
}
