import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadResult } from '../../../loadtest/load.ts';
import { awaitUntil } from '../await-until.ts';
import { startChild } from '../child.ts';
import { couponPath } from '../claim-client.ts';
import type { Stack } from '../stack.ts';
import type { Fault } from './fault.ts';

const timesCapacity = 3;
/** The overload needs more than 7,000: as long as fewer wait, nobody waits a second. */
const connections = { capacity: 256, overload: 16_000 };
const amount = 2_000_000_000;
const sampleEveryMs = 500;
const drainedWithinMs = 120_000;
const alongside = 10;
/** What each process may need in MB, whatever the load is. A full line of a million claims has 350 MB in Redis. */
const memoryMost = { api: 700, worker: 500, redis: 400 };

/** Three times as many claims as can be answered, all of them to be granted. */
export const overload: Fault = {
  id: 'F8',
  title: 'overload: three times the claims that can be answered',
  stack: () => ({ apis: 1, workers: 1 }),
  async run(arena) {
    const { stack, sized, figure, finding } = arena;
    const crowd = await arena.crowd({ perSecond: alongside, hasShort: false });
    const name = `overload ${Date.now()}`;
    await stack.client().create(name, amount);
    const calm = { connections: connections.capacity, seconds: sized(2, 5, 10) };
    const warmUp = await load(stack, name, calm);
    const { answersPerSecond: capacity, statuses: before } = await load(stack, name, calm);
    const memory = watchMemory(stack);
    const beforeShed = await shedBy(stack);
    arena.injected(`${timesCapacity * capacity} claims a second where ${capacity} can be answered`);
    const { answers, statuses, dropped, unsent, latency } = await load(stack, name, {
      connections: connections.overload,
      seconds: sized(3, 20, 60),
      rate: timesCapacity * capacity,
    });
    const drainMs = await drained(stack, name);
    const samples = memory.stop();
    await crowd.seeOut();

    const [row] = await stack.sql`select count(*)::int as granted from claims where coupon_name = ${name}`;
    const accepted = (warmUp.statuses['202'] ?? 0) + (before['202'] ?? 0) + (statuses['202'] ?? 0);
    arena.row.attempts += answers;
    arena.row.granted += row!.granted;
    if (dropped === 0 && row!.granted !== accepted) finding(`${accepted} accepted, ${row!.granted} granted`);
    figure(
      `capacity ${capacity}/s, answers ${JSON.stringify(statuses)}, ${unsent} not sent, ${dropped} dropped`,
    );
    figure(`answers within ${JSON.stringify(latency)}`);
    figure(`turned away by ${JSON.stringify(await shedBy(stack))} before ${JSON.stringify(beforeShed)}`);
    figure(`the line was empty ${Math.round(drainMs)} ms after the last answer`);
    for (const [process, limit] of Object.entries(memoryMost)) {
      const needed = samples.map(sample => sample[process as keyof typeof memoryMost]);
      const half = needed.length >> 1;
      const [first, second] = [Math.max(...needed.slice(0, half)), Math.max(...needed.slice(half))];
      figure(`${process} needed ${first} MB in the first half and ${second} MB in the second`);
      if (Math.max(first, second) > limit) finding(`${process} needed more than ${limit} MB`);
    }
  },
};

async function shedBy({ api }: Stack): Promise<Record<string, number>> {
  const text = await (await fetch(`${api}/metrics`)).text();
  const lines = [
    ...text.matchAll(
      /claimline_(?:shed_total|gate_wait_seconds_bucket|gate_wait_seconds_sum|gate_wait_seconds_count)(\{[^}]*\})? (\d+)|^(nodejs_eventloop_lag_\w+) (\S+)/gm,
    ),
  ];
  return Object.fromEntries(lines.map(([, why, count, lag, value]) => [why ?? lag, Number(count ?? value)]));
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

/** What the API, the worker and Redis need from time to time until `stop`, in MB. */
function watchMemory(stack: Stack) {
  const samples: Record<keyof typeof memoryMost, number>[] = [];
  let isOver = false;
  const { apis, workers } = stack.pids();
  async function watch(): Promise<void> {
    while (!isOver) {
      samples.push({
        api: residentMegabytes(apis[0]!),
        worker: residentMegabytes(workers[0]!),
        redis: residentMegabytes(stack.redis!.pid),
      });
      await delay(sampleEveryMs);
    }
  }
  void watch();
  return {
    stop() {
      isOver = true;
      return samples;
    },
  };
}

function residentMegabytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}
