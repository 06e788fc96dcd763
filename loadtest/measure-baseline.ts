import { readCpuTimes, subtractCpuTimes } from './cpu-time.ts';
import type { LatencySummary, PackedHistogram } from './histogram.ts';
import type { Measurement } from './measure.ts';
import { runToEnd } from './process.ts';
import type { Stack } from './stack.ts';

/** What a baseline that brings its own load prints. */
export type BaselineResult = {
  startedAtMs: number;
  answers: number;
  durationMs: number;
  settled: number;
  settledMs: number;
  backlogAtEnd: number;
  latency: LatencySummary;
  /** From an acknowledgment to its outcome, where the baseline takes that time. */
  outcomes?: PackedHistogram;
  cpuMs: number;
};

/** Runs `baselines/<name>.ts` to its end. */
export async function runBaseline(
  stack: Stack,
  name: string,
  options: Record<string, string | number>,
): Promise<BaselineResult> {
  const args = [
    ...['--import', 'tsx', `loadtest/baselines/${name}.ts`],
    ...Object.entries(options).flatMap(([option, value]) => [`--${option}`, String(value)]),
  ];
  const output = await runToEnd({ name, command: process.execPath, args, folder: stack.folder });
  stack.assertRunning();
  return JSON.parse(output) as BaselineResult;
}

/** The same as a round of a comparison, beside those over HTTP. */
export async function measureBaseline(
  stack: Stack,
  name: string,
  options: Record<string, string | number>,
): Promise<Measurement> {
  const cpuBefore = readCpuTimes(stack.pids);
  const result = await runBaseline(stack, name, options);
  const cpu = subtractCpuTimes(readCpuTimes(stack.pids), cpuBefore);
  const { answers, durationMs, settled, settledMs, latency, cpuMs } = result;
  const answersPerSecond = Math.round((answers * 1000) / durationMs);
  return {
    subject: name,
    load: {
      answers,
      statuses: {},
      durationMs,
      answersPerSecond,
      latency,
      averageMs: 0,
      minMs: 0,
      dropped: 0,
      connectionsLost: 0,
      unsent: 0,
      startedAtMs: result.startedAtMs,
      cpuMs,
      cpuShare: cpuMs / durationMs,
    },
    accepted: answers,
    acceptedPerSecond: answersPerSecond,
    settledPerSecond: Math.round((settled * 1000) / settledMs),
    backlogAtEnd: result.backlogAtEnd,
    backlogGrowthPerSecond: 0,
    elapsedMs: settledMs,
    cpu: { ...cpu, generator: cpuMs },
  };
}
