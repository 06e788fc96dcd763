import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadResult } from '../../../loadtest/load.ts';
import { awaitUntil } from '../await-until.ts';
import { startChild } from '../child.ts';
import { couponPath } from '../claim-client.ts';
import type { Stack } from '../stack.ts';
import { answerTimes, readBuckets } from './answer-times.ts';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';

const timesCapacity = 3;
/** The overload has more than may be in flight by default (10,000), and than are through in 1.5 s. */
const connections = { capacity: 256, overload: 12_000 };
/** In the short form the crowd is small, and so are the limits: all of it is in flight all the time. */
const short = { connections: 2_000, env: { REQUESTS_IN_FLIGHT: '1000', CLAIM_WAIT_MS: '100' } };
const amount = 2_000_000_000;
const sampleEveryMs = 500;
const drainedWithinMs = 120_000;
const alongside = 10;
/** What each process may need in MB, whatever the load is. A full line of a million claims has 350 MB in Redis. */
const memoryMost = { api: 1400, worker: 500, redis: 400 };
/**
 * The last third of the overload may need so many times what was needed before it, in the full form. A heap grows
 * for 20 s before it is level: an API needed 520, 784 and 1071 MB in the thirds of 20 s, 1132, 1154 and 1141 MB in
 * those of 60 s.
 */
const growthMost = 1.33;

type Sample = Record<keyof typeof memoryMost, number>;

/** Three times as many claims as can be answered, all of them to be granted. */
export const overload: Fault = {
  id: 'F8',
  title: 'overload: three times the claims that can be answered',
  stack: size => ({ apis: 1, workers: 1, ...(size === 'short' && { env: short.env }) }),
  async run(arena) {
    const { stack, sized, figure, finding } = arena;
    const crowd = await arena.crowd({ perSecond: alongside, hasShort: false });
    const name = `overload ${Date.now()}`;
    await stack.client().create(name, amount);
    const calm = { connections: connections.capacity, seconds: sized(1, 5, 10) };
    const warmUp = await load(stack, name, calm);
    const measured = await load(stack, name, calm);
    const capacity = measured.answersPerSecond;
    const rate = timesCapacity * capacity;
    const seconds = sized(3, 15, 60);
    arena.injected(`${rate} claims a second where ${capacity} can be answered`);
    const before = await readBuckets(stack);
    const watch = watchProcesses(stack);
    const stormy = await load(
      stack,
      name,
      sized(
        { connections: short.connections, seconds, rate: 0 },
        { connections: connections.overload, seconds, rate },
        { connections: connections.overload, seconds, rate },
      ),
    );
    const { samples, silences } = await watch.stop();
    const drainMs = await drained(stack, name);
    await crowd.seeOut();

    const { answers, statuses, dropped, unsent, latency } = stormy;
    const [row] = await stack.sql`select count(*)::int as granted from claims where coupon_name = ${name}`;
    const accepted = [warmUp, measured, stormy].reduce((sum, one) => sum + (one.statuses['202'] ?? 0), 0);
    arena.row.attempts += answers;
    arena.row.granted += row!.granted;
    if (dropped === 0 && row!.granted !== accepted) finding(`${accepted} accepted, ${row!.granted} granted`);
    if (!statuses['503']) finding('nobody was told to come again');
    if (silences > 0) finding(`/livez was not answered ${silences} times`);
    figure(
      `capacity ${capacity}/s, answers ${JSON.stringify(statuses)}, ${unsent} not sent, ${dropped} dropped`,
    );
    figure(`turned away by ${JSON.stringify(await turnedAway(stack))}`);
    figure(
      `answered by the API within ${JSON.stringify(await answerTimes(stack, before))} s (median and 95 of 100)`,
    );
    figure(`with the wait for a connection within ${JSON.stringify(latency)}`);
    figure(`the line was empty ${Math.round(drainMs)} ms after the last answer`);
    weigh(arena, samples);
  },
};

/** Memory is flat and within its bounds. */
function weigh({ figure, finding, sized }: Arena, samples: Sample[]): void {
  const third = Math.ceil(samples.length / 3);
  for (const [process, limit] of Object.entries(memoryMost)) {
    const needed = samples.map(sample => sample[process as keyof Sample]);
    const [first, second, last] = [0, 1, 2].map(n => Math.max(...needed.slice(n * third, (n + 1) * third)));
    figure(`${process} needed ${first}, ${second} and ${last} MB in the thirds of the overload`);
    if (Math.max(...needed) > limit) finding(`${process} needed more than ${limit} MB`);
    const mayGrow = sized(true, true, false);
    if (!mayGrow && last! > growthMost * Math.max(first!, second!))
      finding(`${process} needed more and more`);
  }
}

/** How many were turned away, by which limit. */
async function turnedAway({ api }: Stack): Promise<Record<string, number>> {
  const text = await (await fetch(`${api}/metrics`)).text();
  const lines = text.matchAll(/^claimline_shed_total\{why="(\w+)"\} (\d+)/gm);
  return Object.fromEntries([...lines].map(([, why, count]) => [why, Number(count)]));
}

/** Runs the load generator in a process of its own; an answer besides 202, 409, 429 and 503 ends it with an error. */
async function load(
  { api }: Stack,
  name: string,
  { connections, seconds, rate = 0 }: { connections: number; seconds: number; rate?: number },
): Promise<LoadResult> {
  const options = {
    target: api,
    path: `${couponPath(name)}/claims`,
    expect: '202,409,429,503',
    connections,
    seconds,
    rate,
  };
  const args = Object.entries(options).flatMap(([option, value]) => [`--${option}`, String(value)]);
  const child = startChild('load', process.execPath, ['--import', 'tsx', 'loadtest/generator.ts', ...args]);
  const { code } = await child.exited;
  if (code !== 0) throw new Error(child.lines.join('\n'));
  return JSON.parse(child.lines.at(-1)!) as LoadResult;
}

/** Awaits that nobody is in line any more; answers how long that took. */
async function drained(stack: Stack, name: string): Promise<number> {
  const sinceMs = performance.now();
  await awaitUntil(
    'the line to be empty',
    async () => (await stack.client().get(`${couponPath(name)}/line`)).body.in_line === 0,
    drainedWithinMs,
  );
  return performance.now() - sinceMs;
}

/** What the API, the worker and Redis need from time to time until `stop`, in MB, and how often the API is silent. */
function watchProcesses(stack: Stack) {
  const samples: Sample[] = [];
  let silences = 0;
  let isOver = false;
  const { apis, workers } = stack.pids();
  async function watch(): Promise<void> {
    while (!isOver) {
      samples.push({
        api: residentMegabytes(apis[0]!),
        worker: residentMegabytes(workers[0]!),
        redis: residentMegabytes(stack.redis!.pid),
      });
      const answer = await fetch(`${stack.api}/livez`).catch(() => undefined);
      if (answer?.status !== 200) silences += 1;
      await delay(sampleEveryMs);
    }
  }
  const watching = watch();
  return {
    async stop() {
      isOver = true;
      await watching;
      return { samples, silences };
    },
  };
}

function residentMegabytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}
