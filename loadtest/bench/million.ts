import { measure } from '../measure.ts';
import { describeCourse, type MemoryCourse, readMemory, watchMemory } from '../memory.ts';
import { FLASH } from '../subject.ts';
import { whole } from '../table.ts';
import { coresOf, type Experiment, ROUND_OVERHEAD_SECONDS, ratio, START_SECONDS } from './finding.ts';
import { onStack } from './on-stack.ts';

/* T7: a million people on 1,000 units, from the start to the last answer. */

const MEMORY_EVERY_MS = 500;
const FLAT_GROWTH = 1.1;
// For the estimate of the progress bar only.
const EXPECTED_PER_SECOND = 25_000;
const REST_SECONDS = 2;

export const million: Experiment = {
  targets: ['T7'],
  seconds: ({ people, seconds }) =>
    START_SECONDS + 3 * (seconds + ROUND_OVERHEAD_SECONDS) + people / EXPECTED_PER_SECOND,
  async run({ plan, step }) {
    const { seconds, connections, people } = plan;
    const oneRound = seconds + ROUND_OVERHEAD_SECONDS;
    step('T7: starting', START_SECONDS);
    return onStack({}, async stack => {
      const flash = { seconds, connections, rate: 0 };
      step('T7: warm-up', oneRound);
      await measure(stack, FLASH, flash);
      step('T7: a round of T1 before', oneRound);
      const earlier = await measure(stack, FLASH, flash);
      step(`T7: ${whole(people)} people`, people / EXPECTED_PER_SECOND);
      const before = readMemory(stack.pids);
      const stopWatching = watchMemory(stack.pids, MEMORY_EVERY_MS);
      const sale = await measure(stack, FLASH, {
        ...flash,
        seconds: Number.POSITIVE_INFINITY,
        requests: people,
      }).finally(stopWatching);
      const samples = stopWatching();
      await new Promise(resolve => setTimeout(resolve, REST_SECONDS * 1000));
      const after = readMemory(stack.pids);
      step('T7: a round of T1 after', oneRound);
      const later = await measure(stack, FLASH, flash);

      if (sale.load.answers + sale.load.dropped !== people)
        throw new Error(`${sale.load.answers} answers and ${sale.load.dropped} dropped of ${people}`);
      const flashRate = (earlier.load.answersPerSecond + later.load.answersPerSecond) / 2;
      const courses = Object.keys(stack.pids).map(
        name => [name, describeCourse(name, before, samples, after)] as const,
      );
      const isFlat = courses.every(([, course]) => course.growth <= FLAT_GROWTH);
      const rate = sale.load.answersPerSecond;
      return [
        {
          target: 'T7',
          rows: [
            {
              work: `${whole(people)} distinct people on 1,000 units, start to last answer`,
              target: `exactly 1,000 granted, >= T1's rate (within 5 %), flat memory (<= ${FLAT_GROWTH} x)`,
              figure:
                `1,000 granted in ${(sale.load.durationMs / 1000).toFixed(1)} s, ${whole(rate)}/s: ` +
                `${ratio(rate / flashRate)} x T1 just before and after; memory ${isFlat ? 'flat' : 'grows'}`,
              met: isFlat && rate >= flashRate * 0.95,
            },
          ],
          speeds: [
            {
              label: `T7 ${whole(people)} people, answers`,
              perSecond: rate,
              kind: 'claimline',
              wantedPerSecond: flashRate,
            },
          ],
          latencies: [{ label: `T7 ${whole(people)} people`, latency: sale.load.latency, kind: 'claimline' }],
          cores: [coresOf(`T7 ${whole(people)} people`, sale)],
          notes: [`T7, memory in MB before, peak, after: ${courses.map(describe).join('; ')}.`],
        },
      ];
    });
  },
};

function describe([name, course]: readonly [string, MemoryCourse]): string {
  const values = [course.beforeMb, course.peakMb, course.afterMb].map(value => value.toFixed(0));
  return `${name} ${values.join(', ')} (last quarter ${ratio(course.growth)} x the second)`;
}
