/** What is seeded: people, coupons and codes; the same seed and sizes give the same data. */
export type SeedSizes = { users: number; coupons: number; codes: number; seed: number };

export const seedLimits = {
  usersMost: 100_000_000,
  couponsMost: 1_000_000,
  codesMost: 100_000_000,
  seedMost: 2_147_483_647,
  /** Codes that are stored in one transaction: about half a second. */
  biteCodes: 5000,
} as const;

/** A coupon that is to be drawn. */
export type PlannedCoupon = {
  n: number;
  name: string;
  public: boolean;
  state: 'active' | 'expired' | 'inactive';
  first_code: number;
  codes: number;
};

/** Of 20 coupons in a row of one kind: 60 % active, 25 % expired, 15 % paused or ended. */
const ACTIVE = 12;
const EXPIRED = 5;
const CYCLE = 20;
/** Shares no factor with the cycle, so that the states are spread. */
const STEP = 13;

/** A large prime, so that the owners of a coupon's codes lie far apart. */
const STRIDE = 7919;

/** What the names of all coupons of a seed begin with. */
export function seedPrefix(seed: number): string {
  return `seed-${seed}-`;
}

/** The distance from one owner to the next: nobody comes twice before everybody has come. */
export function ownerStride(users: number): number {
  return users % STRIDE === 0 ? 1 : STRIDE;
}

/** @throws Error that says which size is out of bounds */
export function assertSizes({ users, coupons, codes, seed }: SeedSizes): void {
  const bounds = [
    ['users', users, 1, seedLimits.usersMost],
    ['coupons', coupons, 1, seedLimits.couponsMost],
    ['codes', codes, 1, seedLimits.codesMost],
    ['seed', seed, 0, seedLimits.seedMost],
  ] as const;
  for (const [name, value, least, most] of bounds)
    if (!Number.isInteger(value) || value < least || value > most)
      throw new Error(`--${name} must be a whole number from ${least} to ${most}`);
  if (codes < coupons) throw new Error('--codes must be at least --coupons: each has a book');
  if (Math.ceil(codes / coupons) > users)
    throw new Error('--users must be at least the codes of a coupon: nobody gets two of one coupon');
}

/** The coupons of each bite: every other one is public, and codes are spread evenly. */
export function planBites(sizes: SeedSizes): PlannedCoupon[][] {
  const { coupons, codes } = sizes;
  const perBite = Math.max(1, Math.floor(seedLimits.biteCodes / Math.ceil(codes / coupons)));
  const bites: PlannedCoupon[][] = [];
  for (let n = 0; n < coupons; n++) {
    if (n % perBite === 0) bites.push([]);
    bites.at(-1)?.push(planCoupon(sizes, n));
  }
  return bites;
}

function planCoupon({ coupons, codes, seed }: SeedSizes, n: number): PlannedCoupon {
  const place = (Math.floor(n / 2) * STEP + seed) % CYCLE;
  return {
    n,
    name: `${seedPrefix(seed)}${String(n).padStart(6, '0')}`,
    public: n % 2 === 1,
    state: place < ACTIVE ? 'active' : place < ACTIVE + EXPIRED ? 'expired' : 'inactive',
    first_code: Math.floor((n * codes) / coupons),
    codes: Math.floor(((n + 1) * codes) / coupons) - Math.floor((n * codes) / coupons),
  };
}
