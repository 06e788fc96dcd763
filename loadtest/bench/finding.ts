import type { CoresInUse } from '../cores.ts';
import type { LatencySummary } from '../histogram.ts';
import type { Measurement } from '../measure.ts';
import type { Plan } from './plan.ts';

export const TARGETS = ['T1', 'T2', 'T3', 'T4', 'T6', 'T7', 'T8', 'T9', 'T10', 'T11'] as const;
export type Target = (typeof TARGETS)[number];

/** A line of the table: what was done, what was wanted of it, and what came of it. */
export type Row = {
  work: string;
  target: string;
  figure: string;
  met: boolean;
};

/** A bar of the chart of throughput. */
export type Speed = {
  label: string;
  perSecond: number;
  kind: 'claimline' | 'baseline';
  /** What is needed to meet the target, in this run. */
  wantedPerSecond?: number;
};

/** A line of the chart of latency. */
export type Latency = {
  label: string;
  latency: LatencySummary;
  kind: 'claimline' | 'baseline';
  wanted?: { percentile: 'p50' | 'p95' | 'p99'; ms: number }[];
};

export type Finding = {
  target: Target;
  rows: Row[];
  speeds: Speed[];
  latencies: Latency[];
  /** Where the CPU time went. */
  cores: CoresInUse[];
  /** More to know, a sentence each. */
  notes: string[];
};

/** What an experiment is given to work with. */
export type Lab = {
  plan: Plan;
  /** The targets that are asked for. */
  wanted: Set<Target>;
  /** Something begins that takes about `seconds`. */
  step(label: string, seconds: number): void;
  /** Something to read, now. */
  tell(text: string): void;
  /** Where an experiment may leave a file. */
  folder: string;
};

/** Measures some targets on a stack of its own. Throws when a count is wrong. */
export type Experiment = {
  targets: Target[];
  /** About how long it takes, the start of its processes left out. */
  seconds(plan: Plan, wanted: Set<Target>): number;
  run(lab: Lab): Promise<Finding[]>;
};

// Processes and stores, migrated.
export const START_SECONDS = 8;
// Between rounds: creating a coupon, waiting for the last grant, counting twice.
export const ROUND_OVERHEAD_SECONDS = 1.5;
export const WARM_UP_SECONDS = 2;

export function ratio(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}

export function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** The cores that one measurement used. */
export function coresOf(title: string, { cpu, elapsedMs }: Measurement): CoresInUse {
  const entries = Object.entries(cpu).map(([name, cpuMs]) => [name, cpuMs / elapsedMs] as const);
  return { title, cores: Object.fromEntries(entries) };
}
