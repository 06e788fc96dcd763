import { expect, it } from 'vitest';
import type { Measurement } from './measure.ts';
import { parseSubjects } from './subject.ts';
import { type Contender, median, medianRatio, summarizeRounds } from './summary.ts';

function measurement(subject: string, answersPerSecond: number, settledPerSecond: number): Measurement {
  const latency = { p50Ms: 1, p95Ms: 2, p99Ms: 3, maxMs: answersPerSecond };
  const counts = {
    answers: 1,
    statuses: {},
    averageMs: 0,
    minMs: 0,
    dropped: 0,
    connectionsLost: 0,
    unsent: 0,
    startedAtMs: 0,
  };
  return {
    subject,
    load: { ...counts, durationMs: 1000, answersPerSecond, latency, cpuMs: 500, cpuShare: 0.5 },
    accepted: answersPerSecond,
    acceptedPerSecond: answersPerSecond,
    settledPerSecond,
    backlogAtEnd: 0,
    backlogGrowthPerSecond: 0,
    elapsedMs: 1000,
    cpu: { api: 250, generator: 500 },
  };
}

it('takes medians, also of an even number', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
});

it('makes ratios within a round, of what is settled when that is the figure', () => {
  const round = (echo: number, settled: number) => ({
    echo: measurement('echo', echo, echo),
    granted: measurement('granted', echo, settled),
  });
  const subjects = parseSubjects('echo,granted');
  const rounds = [round(100, 50), round(200, 80), round(1000, 300)];
  const [echo, granted] = summarizeRounds(subjects, rounds);
  expect(echo).toMatchObject({ answersPerSecond: 200, answersPerSecondRange: [100, 1000], versus: {} });
  expect(granted).toMatchObject({
    settledPerSecond: 80,
    versus: { echo: 0.4 },
    cores: { api: 0.25, generator: 0.5 },
  });
});

it('takes the median of the ratios, not the ratio of the medians', () => {
  const [echo, granted] = parseSubjects('echo,granted') as Contender[] as [Contender, Contender];
  const rounds = [
    [100, 60],
    [200, 180],
    [50, 40],
  ].map(([one, other]) => ({
    echo: measurement('echo', one!, one!),
    granted: measurement('granted', other!, other!),
  }));
  expect(medianRatio(granted, echo, rounds)).toBe(0.8);
});
