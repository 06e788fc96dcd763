import { measure } from '../measure.ts';
import { GRANTED } from '../subject.ts';
import { whole } from '../table.ts';
import { coresOf, type Experiment, ms, START_SECONDS, WARM_UP_SECONDS } from './finding.ts';
import { onStack } from './on-stack.ts';

/* T11: a surge in the open model; every claim is granted, so that each of them takes the whole way. */

const P95_LIMIT_MS = 5;

export const surge: Experiment = {
  targets: ['T11'],
  seconds: ({ surgeSeconds }) => START_SECONDS + WARM_UP_SECONDS + surgeSeconds,
  async run({ plan, step }) {
    const { surgeRate, surgeSeconds, connections } = plan;
    step('T11: starting', START_SECONDS);
    return onStack({}, async stack => {
      step('T11: warm-up', WARM_UP_SECONDS);
      const shape = { seconds: surgeSeconds, connections, rate: surgeRate };
      await measure(stack, GRANTED, { ...shape, seconds: WARM_UP_SECONDS });
      step(`T11: ${whole(surgeRate)}/s`, surgeSeconds);
      const measured = await measure(stack, GRANTED, shape);
      const { load, accepted } = measured;
      const lost = load.dropped + load.unsent;
      return [
        {
          target: 'T11',
          rows: [
            {
              work: `surge of ${whole(surgeRate)}/s for ${surgeSeconds} s, open model, every claim granted`,
              target: `0 dropped, p95 <= ${P95_LIMIT_MS} ms`,
              figure: `${whole(accepted)} granted, ${lost} dropped; p50 ${ms(load.latency.p50Ms)}, p95 ${ms(load.latency.p95Ms)}, p99 ${ms(load.latency.p99Ms)}`,
              met: lost === 0 && load.latency.p95Ms <= P95_LIMIT_MS,
            },
          ],
          speeds: [],
          latencies: [
            {
              label: `T11 surge of ${whole(surgeRate)}/s, the 202`,
              latency: load.latency,
              kind: 'claimline',
              wanted: [{ percentile: 'p95', ms: P95_LIMIT_MS }],
            },
          ],
          cores: [coresOf(`T11 surge of ${whole(surgeRate)}/s`, measured)],
          notes: [],
        },
      ];
    });
  },
};
