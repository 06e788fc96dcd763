/**
 * The scenarios and what can be set in each. Plain data without imports: k6 reads it for the sizes, Node for the
 * options of `npm run load` and for the list.
 */

/** A number that `--name-of-it` sets for `npm run load`, and NAME_OF_IT in the environment for k6. */
export type Setting = {
  means: string;
  full: number;
  /** In the small form, which a build server runs: over in seconds, and no figure can fail it. */
  small: number;
};

export type Scenario = { title: string; settings: Record<string, Setting> };

// So slow that only a hang is.
const ANY_MS = 20_000;

const warmUp = {
  means: 'claims sent before, on a coupon of their own, so that no figure is one of processes just started',
  full: 5000,
  small: 20,
};

const latency = (p95Ms: number, p99Ms: number, of = 'claim') => ({
  p95Ms: { means: `fails when the 95th percentile of a ${of} is at or over it`, full: p95Ms, small: ANY_MS },
  p99Ms: { means: `fails when the 99th percentile of a ${of} is at or over it`, full: p99Ms, small: ANY_MS },
});

const connections = (full: number, small: number): Setting => ({
  means: 'clients waiting for an answer at once at most; who arrives beyond them is dropped',
  full,
  small,
});

export const SCENARIOS = {
  'flash-sale': {
    title: 'a crowd of distinct people on a few units: exactly the units are granted',
    settings: {
      people: { means: 'distinct people, each claiming once', full: 50_000, small: 50 },
      units: { means: 'units of the coupon', full: 1000, small: 5 },
      rate: { means: 'people arriving a second', full: 2500, small: 1000 },
      connections: connections(1000, 50),
      warmUp,
      ...latency(500, 1000),
    },
  },
  'double-dip': {
    title: 'one person ten times at once on 100 units, in both forms: one grant, nine already claimed',
    settings: {
      people: { means: 'rounds, each of another person on a coupon of its own', full: 100, small: 4 },
      repeats: { means: 'requests of the person at once', full: 10, small: 10 },
      units: { means: 'units of each coupon', full: 100, small: 100 },
      warmUp,
      ...latency(500, 1000),
    },
  },
  'duplicate-storm': {
    title: '500 clients, each sending the same person ten times at once, 50 rounds: one grant each',
    settings: {
      clients: { means: 'clients in a round', full: 500, small: 10 },
      repeats: { means: 'requests at once of one client for one person', full: 10, small: 10 },
      rounds: { means: 'rounds, each with other people', full: 50, small: 2 },
      roundMs: { means: 'the clients of a round arrive over this time', full: 2000, small: 800 },
      connections: connections(500, 20),
      warmUp,
      ...latency(200, 500),
    },
  },
  sustained: {
    title: 'every claim granted, at a constant rate',
    settings: {
      rate: { means: 'claims a second', full: 1000, small: 40 },
      seconds: { means: 'for so long', full: 60, small: 2 },
      connections: connections(500, 80),
      warmUp,
      ...latency(100, 250),
    },
  },
  surge: {
    title: '2,000 claims a second for 75 s, the stock gone half way: none dropped',
    settings: {
      rate: { means: 'claims a second', full: 2000, small: 80 },
      seconds: { means: 'for so long', full: 75, small: 2 },
      units: { means: 'units of the coupon', full: 75_000, small: 80 },
      connections: connections(1000, 160),
      warmUp,
      ...latency(5, 50),
    },
  },
  'poll-storm': {
    title: 'tickets read until decided, by polling, by long poll and as a stream, and read again',
    settings: {
      people: { means: 'distinct people, a third of them each way', full: 15_000, small: 60 },
      units: { means: 'units of the coupon', full: 10_000, small: 30 },
      rate: { means: 'people arriving a second', full: 500, small: 50 },
      pollMs: { means: 'pause between two polls', full: 100, small: 20 },
      rereads: { means: 'reads of each ticket after its outcome', full: 3, small: 2 },
      connections: connections(1000, 60),
      warmUp,
      ...latency(250, 500),
    },
  },
  mixed: {
    title: 'claims, tickets, coupons, lines and lists together, on coupons scarce and plentiful',
    settings: {
      rate: { means: 'requests a second', full: 1000, small: 100 },
      seconds: { means: 'for so long', full: 60, small: 2 },
      coupons: { means: 'coupons, every other one scarce', full: 10, small: 2 },
      connections: connections(500, 200),
      warmUp,
      ...latency(100, 250),
    },
  },
  soak: {
    title: 'the mixture at a low rate for a long time: memory stays flat',
    settings: {
      rate: { means: 'requests a second', full: 100, small: 50 },
      seconds: { means: 'for so long', full: 1800, small: 2 },
      coupons: { means: 'coupons, every other one scarce', full: 10, small: 2 },
      connections: connections(200, 100),
      warmUp,
      ...latency(100, 250),
    },
  },
  'seat-scramble': {
    title: '1,000 people at once with crossing sets on 500 seats: nobody is split, no seat is held twice',
    settings: {
      people: { means: 'distinct people, each asking for three seats', full: 1000, small: 60 },
      seats: { means: 'seats of the event', full: 500, small: 30 },
      rate: { means: 'people arriving a second', full: 2000, small: 1000 },
      connections: connections(1000, 60),
      warmUp,
      ...latency(1000, 2000),
    },
  },
  validations: {
    title:
      'codes validated at a constant rate, public, personal, paused and unknown: the log has each answer',
    settings: {
      rate: { means: 'validations a second', full: 2000, small: 60 },
      seconds: { means: 'for so long', full: 60, small: 2 },
      coupons: { means: 'coupons, in turn public, personal and paused', full: 30, small: 3 },
      codes: { means: 'codes of each coupon', full: 100, small: 10 },
      connections: connections(500, 80),
      warmUp: { ...warmUp, means: 'validations sent before, on a coupon of their own' },
      ...latency(50, 100, 'validation'),
    },
  },
} satisfies Record<string, Scenario>;

export type ScenarioName = keyof typeof SCENARIOS;

/** The name of a setting in the environment: `roundMs` is ROUND_MS. */
export function environmentName(setting: string): string {
  return setting.replaceAll(/[A-Z]/g, letter => `_${letter}`).toUpperCase();
}
