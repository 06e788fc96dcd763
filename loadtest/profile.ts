import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { aggregateSelfTimes, type CpuProfile, profilePath, renderSelfTimes } from './cpu-profile.ts';
import { type LoadShape, measure } from './measure.ts';
import { type Stack, startStack } from './stack.ts';
import { BUSY_LANES, parseSubjects } from './subject.ts';

/*
 * Shows where the time of one subject goes: puts load on it and prints, for each of its Node processes, the
 * functions with the most own time. With --keep the .cpuprofile files stay, for a flame graph.
 *
 * node --import tsx profile.ts [--subject granted] [--seconds 5] [--top 25] [--connections 64] [--rate 0]
 *   [--apis 1] [--workers 1] [--keep]
 */

const WARM_UP_SECONDS = 3;
const PROFILE_POLL_MS = 50;

const { values } = parseArgs({
  options: {
    subject: { type: 'string', default: 'granted' },
    seconds: { type: 'string', default: '5' },
    top: { type: 'string', default: '25' },
    connections: { type: 'string', default: '64' },
    rate: { type: 'string', default: '0' },
    apis: { type: 'string', default: '1' },
    workers: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
  },
});

const subject = parseSubjects(values.subject)[0]!;
const isClaimline = subject.service === 'claimline';
const shape: LoadShape = {
  seconds: Number(values.seconds),
  connections: Number(values.connections),
  rate: Number(values.rate),
};

/** The first call starts the profiles of all Node processes, the second writes them. */
function toggleProfiles(stack: Stack): void {
  for (const node of stack.nodes) process.kill(node.pid, 'SIGUSR2');
}

async function readProfile(stack: Stack, pid: number): Promise<CpuProfile> {
  const path = profilePath(stack.folder, pid);
  while (!existsSync(path)) {
    stack.assertRunning();
    await sleep(PROFILE_POLL_MS);
  }
  return JSON.parse(readFileSync(path, 'utf8')) as CpuProfile;
}

const stack = await startStack({
  echo: subject.service === 'echo',
  rowlock: subject.service === 'rowlock',
  apis: isClaimline ? Number(values.apis) : 0,
  workers: isClaimline ? Number(values.workers) : 0,
  env: BUSY_LANES,
  profiled: true,
  keepFolder: values.keep,
});

try {
  await measure(stack, subject, { ...shape, seconds: WARM_UP_SECONDS });
  toggleProfiles(stack);
  const measurement = await measure(stack, subject, shape);
  toggleProfiles(stack);
  const { load, cpu, elapsedMs } = measurement;
  process.stdout.write(`${subject.title}: ${load.answersPerSecond} answers/s while profiled\n`);
  for (const [name, cpuMs] of Object.entries(cpu)) {
    process.stdout.write(`${name.padEnd(12)} ${(cpuMs / elapsedMs).toFixed(2)} cores\n`);
  }
  for (const node of stack.nodes) {
    const times = aggregateSelfTimes(await readProfile(stack, node.pid));
    process.stdout.write(`\n${node.name}: ${renderSelfTimes(times, Number(values.top))}\n`);
  }
  if (values.keep) process.stdout.write(`\nProfiles and logs are in ${stack.folder}\n`);
} finally {
  await stack.stop();
}
