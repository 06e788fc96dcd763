import { measure } from '../measure.ts';
import { describeMeasurement, runRounds } from '../rounds.ts';
import { measureScramble, SCRAMBLE_PEOPLE } from '../scramble.ts';
import type { Stack } from '../stack.ts';
import { GRANTED } from '../subject.ts';
import { type Contender, medianRatio, summarizeRounds } from '../summary.ts';
import { whole } from '../table.ts';
import { type Experiment, ROUND_OVERHEAD_SECONDS, ratio, START_SECONDS, WARM_UP_SECONDS } from './finding.ts';
import { onStack } from './on-stack.ts';

/* T8: crossing sets of seats beside claims that are all granted, in interleaved rounds. */

const SHARE = 0.5;
const ENTRANTS = 2;

const SCRAMBLE: Contender = { name: 'scramble', title: 'T8 seat scramble', figure: 'settledPerSecond' };

export const scramble: Experiment = {
  targets: ['T8'],
  seconds: ({ rounds, seconds }) =>
    START_SECONDS +
    ENTRANTS * (WARM_UP_SECONDS + rounds * seconds + (rounds + 1) * 2 * ROUND_OVERHEAD_SECONDS),
  async run({ plan, step, tell }) {
    const { rounds, seconds, connections } = plan;
    step('T8: starting', START_SECONDS);
    return onStack({}, async stack => {
      step('T8: warm-up', ENTRANTS * (WARM_UP_SECONDS + ROUND_OVERHEAD_SECONDS));
      await runRounds(entrants(stack, WARM_UP_SECONDS, connections), 1, {});
      const results = await runRounds(entrants(stack, seconds, connections), rounds, {
        onStart: (round, { name }) =>
          step(`T8 round ${round}/${rounds}: ${name}`, seconds + 2 * ROUND_OVERHEAD_SECONDS),
        onEnd: (round, { name }, measurement) =>
          tell(`round ${round}/${rounds} ${name}: ${describeMeasurement(measurement)}`),
      });
      const [seats, granted] = summarizeRounds([SCRAMBLE, GRANTED], results);
      const vsGranted = medianRatio(SCRAMBLE, GRANTED, results);
      const wantedPerSecond = SHARE * granted!.settledPerSecond;
      const inLine = results.reduce((sum, round) => sum + round.scramble!.accepted, 0);
      const all = results.reduce((sum, round) => sum + round.scramble!.load.answers, 0);
      return [
        {
          target: 'T8',
          rows: [
            {
              work: `seat scramble: ${whole(SCRAMBLE_PEOPLE)} people at once, crossing sets of 3 on 500 seats, event after event; people told a second`,
              target: `no deadlock, no set split, >= ${SHARE} x T2`,
              figure: `${whole(seats!.settledPerSecond)}/s: ${ratio(vsGranted)} x T2 (${whole(granted!.settledPerSecond)}/s); p99 ${seats!.latency.p99Ms} ms; no deadlock, no set split`,
              met: vsGranted >= SHARE,
            },
          ],
          speeds: [
            {
              ...{ label: 'T8 seat scramble, told', perSecond: seats!.settledPerSecond, kind: 'claimline' },
              wantedPerSecond,
            },
          ],
          latencies: [{ label: 'T8 scramble, the answer', latency: seats!.latency, kind: 'claimline' }],
          cores: [seats!],
          notes: [
            `T8: ${((100 * inLine) / all).toFixed(0)} % of the people got in line, all others were refused at the gate, for a seat that it knew to be held.`,
          ],
        },
      ];
    });
  },
};

function entrants(stack: Stack, seconds: number, connections: number) {
  return [
    { ...SCRAMBLE, measure: () => measureScramble(stack, { seconds, connections }) },
    { ...GRANTED, measure: () => measure(stack, GRANTED, { seconds, connections, rate: 0 }) },
  ];
}
