/** How much of everything is measured. */
export type Plan = {
  rounds: number;
  seconds: number;
  connections: number;
  quick: boolean;
  /** T2: API processes of the second installation. */
  manyApis: number;
  /** T3: rounds, whose times are put together. */
  outcomeRounds: number;
  /** T3: claims a second of the quiet case. */
  quietRate: number;
  /** T4: what is seeded, and by how many at once it is asked. */
  seeded: { users: number; coupons: number; codes: number };
  askingAtOnce: number[];
  /** T6. */
  storedClaims: number;
  busyCoupons: number;
  queuedInTrains: number;
  queuedAlone: number;
  idleLanes: number;
  /** T7. */
  people: number;
  /** T9: outcomes of a round. */
  webhookClaims: number;
  /** T10. */
  stormClients: number;
  stormRounds: number;
  /** T11. */
  surgeRate: number;
  surgeSeconds: number;
};

/** What the targets ask for: about twenty minutes on two cores. */
export const FULL: Plan = {
  rounds: 5,
  seconds: 5,
  // At 64 the pace of the trains decides and not the processor.
  connections: 256,
  quick: false,
  manyApis: 4,
  outcomeRounds: 3,
  quietRate: 100,
  seeded: { users: 1_000_000, coupons: 5000, codes: 1_000_000 },
  askingAtOnce: [100, 10_000],
  storedClaims: 10_000_000,
  busyCoupons: 1000,
  queuedInTrains: 50_000,
  queuedAlone: 5000,
  idleLanes: 1000,
  people: 1_000_000,
  webhookClaims: 500,
  stormClients: 500,
  stormRounds: 50,
  surgeRate: 2000,
  surgeSeconds: 75,
};

/** Whether everything works, in about three minutes; its figures say little. */
export const QUICK: Plan = {
  ...FULL,
  rounds: 1,
  seconds: 1,
  quick: true,
  manyApis: 2,
  outcomeRounds: 1,
  seeded: { users: 5000, coupons: 50, codes: 10_000 },
  askingAtOnce: [20, 500],
  storedClaims: 100_000,
  busyCoupons: 50,
  queuedInTrains: 5000,
  queuedAlone: 500,
  idleLanes: 50,
  people: 30_000,
  webhookClaims: 100,
  stormClients: 50,
  stormRounds: 5,
  surgeSeconds: 3,
};
