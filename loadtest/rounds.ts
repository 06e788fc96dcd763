import { setTimeout as sleep } from 'node:timers/promises';
import type { Measurement } from './measure.ts';
import type { Contender, Round } from './summary.ts';

/** A contender with how it is measured. */
export type Entrant = Contender & { measure: () => Promise<Measurement> };

// Lets the stores finish what a round left behind before the next one is timed.
const REST_MS = 300;

/**
 * Measures all entrants in turns, A B C A B C, so that a machine that slows down slows all of them.
 * `onStart` hears of each measurement before it begins, `onEnd` after it.
 */
export async function runRounds(
  entrants: Entrant[],
  rounds: number,
  {
    onStart,
    onEnd,
  }: {
    onStart?: (round: number, entrant: Entrant) => void;
    onEnd?: (round: number, entrant: Entrant, measurement: Measurement) => void;
  },
): Promise<Round[]> {
  const results: Round[] = [];
  for (let index = 1; index <= rounds; index++) {
    const round: Round = {};
    for (const entrant of entrants) {
      onStart?.(index, entrant);
      const measurement = await entrant.measure();
      onEnd?.(index, entrant, measurement);
      round[entrant.name] = measurement;
      await sleep(REST_MS);
    }
    results.push(round);
  }
  return results;
}

/** A measurement in one line. */
export function describeMeasurement(measurement: Measurement): string {
  const { load, settledPerSecond, backlogAtEnd, cpu, elapsedMs } = measurement;
  const busy = Object.entries(cpu)
    .filter(([, cpuMs]) => cpuMs > elapsedMs / 100)
    .map(([name, cpuMs]) => `${name} ${(cpuMs / elapsedMs).toFixed(2)}`);
  const settled = `${settledPerSecond} settled/s, backlog ${backlogAtEnd}`;
  const lost = load.dropped + load.unsent > 0 ? `, ${load.dropped} dropped, ${load.unsent} unsent` : '';
  return `${load.answersPerSecond} answers/s, ${settled}, p99 ${load.latency.p99Ms} ms${lost}; cores: ${busy.join(', ')}`;
}
