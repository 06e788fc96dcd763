import { measure } from '../measure.ts';
import { DUPLICATES } from '../subject.ts';
import { whole } from '../table.ts';
import { coresOf, type Experiment, ms, START_SECONDS } from './finding.ts';
import { onStack } from './on-stack.ts';

/* T10: the same person ten times at once, by the form that answers with the outcome. */

const LIMITS = { p95Ms: 200, p99Ms: 500 } as const;
// For the estimate of the progress bar only.
const EXPECTED_PER_SECOND = 10_000;

export const storm: Experiment = {
  targets: ['T10'],
  seconds: ({ stormClients, stormRounds }) =>
    START_SECONDS + (stormClients * DUPLICATES.burst * (stormRounds + 1)) / EXPECTED_PER_SECOND,
  async run({ plan, step }) {
    const { stormClients, stormRounds } = plan;
    step('T10: starting', START_SECONDS);
    return onStack({}, async stack => {
      const connections = stormClients * DUPLICATES.burst;
      const shape = { seconds: Number.POSITIVE_INFINITY, connections, rate: 0 };
      step('T10: warm-up', connections / EXPECTED_PER_SECOND);
      await measure(stack, DUPLICATES, { ...shape, requests: connections });
      step('T10: duplicate storm', (connections * stormRounds) / EXPECTED_PER_SECOND);
      const measured = await measure(stack, DUPLICATES, {
        ...shape,
        requests: connections * stormRounds,
      });
      const { load, accepted } = measured;
      const people = stormClients * stormRounds;
      if (accepted !== people && load.dropped === 0)
        throw new Error(`${accepted} grants for ${people} people`);
      return [
        {
          target: 'T10',
          rows: [
            {
              work: `duplicate storm: ${whole(stormClients)} clients, each the same person ten times at once, ${stormRounds} rounds`,
              target: `one grant each, p95 < ${LIMITS.p95Ms} ms, p99 < ${LIMITS.p99Ms} ms, none dropped`,
              figure: `${whole(accepted)} grants for ${whole(people)} people, one each; p95 ${ms(load.latency.p95Ms)}, p99 ${ms(load.latency.p99Ms)}, ${load.dropped} dropped; ${whole(load.answersPerSecond)} answers/s`,
              met:
                accepted === people &&
                load.latency.p95Ms < LIMITS.p95Ms &&
                load.latency.p99Ms < LIMITS.p99Ms &&
                load.dropped === 0,
            },
          ],
          speeds: [
            { label: 'T10 duplicate storm, answers', perSecond: load.answersPerSecond, kind: 'claimline' },
          ],
          latencies: [
            {
              label: `T10 storm, ${whole(connections)} requests at once`,
              latency: load.latency,
              kind: 'claimline',
              wanted: [
                { percentile: 'p95', ms: LIMITS.p95Ms },
                { percentile: 'p99', ms: LIMITS.p99Ms },
              ],
            },
          ],
          cores: [coresOf('T10 duplicate storm', measured)],
          notes: [
            `T10: ${whole(connections)} requests are under way at any moment, so at ${whole(load.answersPerSecond)} answers a second each takes ${ms((connections * 1000) / load.answersPerSecond)} on average.`,
          ],
        },
      ];
    });
  },
};
