import type { LatencySummary } from './histogram.ts';
import type { Measurement } from './measure.ts';
import type { Subject } from './subject.ts';

export type Round = Record<string, Measurement>;

/** What takes part in rounds: its name in them, and the figure that its ratios are made of. */
export type Contender = Pick<Subject, 'name' | 'title' | 'figure'>;

/** Medians over the rounds of one subject. */
export type SubjectSummary = {
  name: string;
  title: string;
  answersPerSecond: number;
  answersPerSecondRange: [number, number];
  acceptedPerSecond: number;
  settledPerSecond: number;
  backlogAtEnd: number;
  backlogGrowthPerSecond: number;
  latency: LatencySummary;
  /** Cores in use by each process, e.g. 0.5 for half of one. */
  cores: Record<string, number>;
  /** Medians of the ratios within each round, so that a machine that slows down slows both sides. */
  versus: Record<string, number>;
};

const REFERENCES = ['echo', 'rowlock'];

/** One summary per contender, each of all rounds. */
export function summarizeRounds(subjects: Contender[], rounds: Round[]): SubjectSummary[] {
  return subjects.map(subject => {
    const own = rounds.map(round => round[subject.name]!);
    const answers = own.map(one => one.load.answersPerSecond);
    return {
      name: subject.name,
      title: subject.title,
      answersPerSecond: median(answers),
      answersPerSecondRange: [Math.min(...answers), Math.max(...answers)],
      acceptedPerSecond: median(own.map(one => one.acceptedPerSecond)),
      settledPerSecond: median(own.map(one => one.settledPerSecond)),
      backlogAtEnd: median(own.map(one => one.backlogAtEnd)),
      backlogGrowthPerSecond: median(own.map(one => one.backlogGrowthPerSecond)),
      latency: {
        p50Ms: median(own.map(one => one.load.latency.p50Ms)),
        p95Ms: median(own.map(one => one.load.latency.p95Ms)),
        p99Ms: median(own.map(one => one.load.latency.p99Ms)),
        maxMs: Math.max(...own.map(one => one.load.latency.maxMs)),
      },
      cores: summarizeCores(own),
      versus: summarizeRatios(subject, subjects, rounds),
    };
  });
}

/** The middle value, or the mean of the two middle ones. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function summarizeCores(measurements: Measurement[]): Record<string, number> {
  const names = Object.keys(measurements[0]?.cpu ?? {});
  return Object.fromEntries(
    names.map(name => [name, median(measurements.map(one => (one.cpu[name] ?? 0) / one.elapsedMs))]),
  );
}

function summarizeRatios(subject: Contender, subjects: Contender[], rounds: Round[]): Record<string, number> {
  const references = subjects.filter(other => REFERENCES.includes(other.name) && other !== subject);
  return Object.fromEntries(
    references.map(reference => [reference.name, medianRatio(subject, reference, rounds)]),
  );
}

/** The median of the ratios of two contenders within each round. */
export function medianRatio(subject: Contender, reference: Contender, rounds: Round[]): number {
  return median(rounds.map(round => figureOf(subject, round) / figureOf(reference, round)));
}

function figureOf(subject: Contender, round: Round): number {
  const measurement = round[subject.name]!;
  return subject.figure === 'settledPerSecond'
    ? measurement.settledPerSecond
    : measurement.load.answersPerSecond;
}
