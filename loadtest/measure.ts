import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCoupon, readCounts } from './coupon.ts';
import { type CpuTimes, readCpuTimes, subtractCpuTimes } from './cpu-time.ts';
import type { LoadResult } from './load.ts';
import { runToEnd } from './process.ts';
import type { Stack } from './stack.ts';
import type { Subject } from './subject.ts';

export type LoadShape = {
  seconds: number;
  connections: number;
  /** Requests a second in the open model; 0: closed loop. */
  rate: number;
};

export type Measurement = {
  subject: string;
  load: LoadResult;
  accepted: number;
  acceptedPerSecond: number;
  /** Grants until the line was empty, over the time from the first request to the last grant. */
  settledPerSecond: number;
  /** Accepted and not yet settled when the last answer had come. */
  backlogAtEnd: number;
  /** From the first request to the last answer or grant. */
  elapsedMs: number;
  /** CPU time of each process in that time, in ms; the generator's too. */
  cpu: CpuTimes;
};

const SETTLE_LIMIT_MS = 120_000;
const SETTLE_POLL_MS = 25;
const RECHECK_DELAY_MS = 250;

/**
 * Puts one round of load on a subject with a fresh coupon, waits until the line is empty and counts.
 * Throws when the count of grants is not exactly what was accepted, or the stock when that is less.
 */
export async function measure(stack: Stack, subject: Subject, shape: LoadShape): Promise<Measurement> {
  const urls = stack.urls[subject.service];
  const couponName = `load-${subject.name}-${randomBytes(4).toString('hex')}`;
  if (subject.amount !== undefined) await createCoupon(urls[0]!, couponName, subject.amount);

  const cpuBefore = readCpuTimes(stack.pids);
  const load = await generate(stack, urls, `/api/coupons/${couponName}/claims`, subject, shape);
  const accepted = load.statuses[String(subject.acceptedStatus)] ?? 0;
  const settling =
    subject.amount === undefined
      ? { granted: accepted, backlogAtEnd: 0, settledAtMs: load.startedAtMs + load.durationMs }
      : await awaitSettled(urls[0]!, couponName, Math.min(accepted, subject.amount), load);
  const cpu = subtractCpuTimes(readCpuTimes(stack.pids), cpuBefore);
  if (subject.amount !== undefined)
    await assertExact(urls[0]!, couponName, subject.amount, accepted, load.dropped);
  stack.assertRunning();

  const elapsedMs = Math.max(load.durationMs, settling.settledAtMs - load.startedAtMs);
  return {
    subject: subject.name,
    load,
    accepted,
    acceptedPerSecond: perSecond(accepted, load.durationMs),
    settledPerSecond: perSecond(settling.granted, elapsedMs),
    backlogAtEnd: settling.backlogAtEnd,
    elapsedMs,
    cpu: { ...cpu, generator: load.cpuMs },
  };
}

async function generate(
  stack: Stack,
  urls: string[],
  path: string,
  subject: Subject,
  shape: LoadShape,
): Promise<LoadResult> {
  const options = {
    path,
    expect: subject.expectedStatuses.join(','),
    connections: shape.connections,
    seconds: shape.seconds,
    rate: shape.rate,
  };
  const args = [
    ...['--import', 'tsx', 'loadtest/generator.ts'],
    ...urls.flatMap(url => ['--target', url]),
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ];
  const generator = {
    name: `load on ${subject.name}`,
    command: process.execPath,
    args,
    folder: stack.folder,
  };
  return JSON.parse(await runToEnd(generator)) as LoadResult;
}

/** Polls until `expected` units are claimed. */
async function awaitSettled(url: string, couponName: string, expected: number, load: LoadResult) {
  const deadlineMs = Date.now() + SETTLE_LIMIT_MS;
  let backlogAtEnd: number | undefined;
  for (;;) {
    const { claimedCount } = await readCounts(url, couponName);
    const settledAtMs = Date.now();
    backlogAtEnd ??= Math.max(0, expected - claimedCount);
    if (claimedCount >= expected) return { granted: claimedCount, backlogAtEnd, settledAtMs };
    if (settledAtMs > deadlineMs) {
      const shown = JSON.stringify(load.statuses);
      throw new Error(
        `${couponName}: ${claimedCount} of ${expected} settled after ${SETTLE_LIMIT_MS} ms, ${shown}`,
      );
    }
    await sleep(SETTLE_POLL_MS);
  }
}

/**
 * Exactly what was accepted must be granted, within the stock. Requests whose answer was lost may be granted or
 * not. A grant too many may come late, so the counts are read once more after a while.
 */
async function assertExact(url: string, couponName: string, amount: number, accepted: number, lost: number) {
  await sleep(RECHECK_DELAY_MS);
  const { claimedCount, remainingAmount } = await readCounts(url, couponName);
  const isExact =
    claimedCount >= Math.min(accepted, amount) && claimedCount <= Math.min(accepted + lost, amount);
  if (isExact && claimedCount + remainingAmount === amount) return;
  const counts = `${claimedCount} granted and ${remainingAmount} left of ${amount}`;
  throw new Error(`${couponName}: ${counts}, but ${accepted} accepted and ${lost} answers lost`);
}

function perSecond(count: number, durationMs: number): number {
  return Math.round((count * 1000) / durationMs);
}
