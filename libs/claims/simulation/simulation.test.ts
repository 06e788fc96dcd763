import fc from 'fast-check';
import { expect, test } from 'vitest';
import { found } from './found.ts';
import { run } from './run.ts';
import { type Schedule, schedule } from './schedule.ts';

/** `CLAIMLINE_SEED=2 CLAIMLINE_RUNS=5000 npm run simulate` looks elsewhere. */
const seed = Number(process.env.CLAIMLINE_SEED ?? 1);
const runs = Number(process.env.CLAIMLINE_RUNS ?? 1000);
/** As a failure prints it: replays one run of the seed. */
const path = process.env.CLAIMLINE_PATH;
const timeout = 600_000;

test(`the claim path keeps its promises in ${runs} simulated sales`, { timeout }, async () => {
  const property = fc.asyncProperty(schedule, async one => {
    const { broken } = await run(one, { isKept: false });
    if (broken !== null) throw new Error(broken);
  });
  const details = await fc.check(property, {
    seed,
    numRuns: runs,
    ...(path !== undefined && { path, endOnFailure: true }),
  });
  if (!details.failed) return;
  const [shrunk] = details.counterexample as [Schedule];
  const { broken, history } = await run(shrunk, { isKept: true });
  const { steps, ...setting } = shrunk;
  throw new Error(
    [
      broken,
      ...[JSON.stringify(setting), ...steps.map(step => `  ${JSON.stringify(step)}`)],
      ...history,
      `Again: CLAIMLINE_SEED=${seed} CLAIMLINE_PATH=${details.counterexamplePath} npm run simulate`,
    ].join('\n'),
  );
});

test.each(found)('once found: %s', async (_, one) => {
  expect((await run(one, { isKept: false })).broken).toBeNull();
});

test('a run happens the same way again', async () => {
  for (const one of fc.sample(schedule, { seed, numRuns: 5 }))
    expect(await run(one, { isKept: true })).toEqual(await run(one, { isKept: true }));
});
