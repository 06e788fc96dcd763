import { setTimeout as sleep } from 'node:timers/promises';
import { type BacklogSamples, backlogGrowth, watchBacklog } from './backlog.ts';
import { type CpuTimes, readCpuTimes, subtractCpuTimes } from './cpu-time.ts';
import type { LoadResult } from './load.ts';
import { runToEnd } from './process.ts';
import type { Stack } from './stack.ts';
import { createStock, type Stock } from './stock.ts';
import type { Subject } from './subject.ts';

export type LoadShape = {
  /** Infinity where `requests` ends the load. */
  seconds: number;
  connections: number;
  /** Requests a second in the open model; 0: closed loop. */
  rate: number;
  requests?: number;
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
  /** By how many claims a second the line grew while the load was on. */
  backlogGrowthPerSecond: number;
  /** From the first request to the last answer or grant. */
  elapsedMs: number;
  /** CPU time of each process in that time, in ms; the generator's too. */
  cpu: CpuTimes;
};

/** What the generator prints; `reasons` with bodies of its own only. */
export type GeneratorResult = LoadResult & { reasons: Record<string, number> };

const SETTLE_LIMIT_MS = 120_000;
const SETTLE_POLL_MS = 25;
const RECHECK_DELAY_MS = 250;

/**
 * Puts one round of load on a subject with a fresh stock, waits until the line is empty and counts.
 * Throws when the count of grants is not exactly what was accepted, or the stock when that is less.
 */
export async function measure(stack: Stack, subject: Subject, shape: LoadShape): Promise<Measurement> {
  if (subject.amount === undefined) return weigh(stack, subject, shape, undefined);
  const stock = await createStock(stack, subject, subject.amount);
  try {
    // Many coupons are measured while they are busy: their lanes are open when the round begins.
    if (subject.coupons > 1)
      await weigh(stack, subject, { ...shape, seconds: Infinity, rate: 0, requests: subject.coupons }, stock);
    return await weigh(stack, subject, shape, stock);
  } finally {
    await stock.close();
  }
}

async function weigh(
  stack: Stack,
  subject: Subject,
  shape: LoadShape,
  stock: Stock | undefined,
): Promise<Measurement> {
  const before = stock ? (await stock.readCounts()).claimedCount : 0;
  const stopWatching = watchLine(stack, subject, stock);
  const cpuBefore = readCpuTimes(stack.pids);
  const load = await generate(stack, subject, shape, stock).finally(stopWatching);
  const accepted = load.statuses[String(subject.acceptedStatus)] ?? 0;
  const settling = stock
    ? await awaitSettled(stock, before + Math.min(accepted, stock.amount), load)
    : { granted: accepted, backlogAtEnd: 0, settledAtMs: load.startedAtMs + load.durationMs };
  const cpu = subtractCpuTimes(readCpuTimes(stack.pids), cpuBefore);
  if (stock) await assertExact(stock, before + accepted, load.dropped);
  stack.assertRunning();

  const elapsedMs = Math.max(load.durationMs, settling.settledAtMs - load.startedAtMs);
  return {
    subject: subject.name,
    load,
    accepted,
    acceptedPerSecond: perSecond(accepted, load.durationMs),
    settledPerSecond: perSecond(settling.granted - before, elapsedMs),
    backlogAtEnd: settling.backlogAtEnd,
    backlogGrowthPerSecond: backlogGrowth(stopWatching()),
    elapsedMs,
    cpu: { ...cpu, generator: load.cpuMs },
  };
}

function watchLine(stack: Stack, subject: Subject, stock: Stock | undefined): () => BacklogSamples {
  const hasLine = stock && subject.coupons === 1 && subject.service !== 'rowlock';
  return hasLine ? watchBacklog(stack.urls[subject.service]![0]!, stock.name) : () => [];
}

/** Runs the load generator on a subject, as a process of its own. Throws on an answer that is not expected. */
export async function generate(
  stack: Stack,
  subject: Subject,
  shape: LoadShape,
  stock: Stock | undefined,
): Promise<LoadResult> {
  const { path, body } = requestOf(subject, stock?.name ?? subject.name);
  return runGenerator(stack, subject.name, stack.urls[subject.service]!, {
    path,
    body,
    expect: subject.expectedStatuses.join(','),
    connections: shape.connections,
    rate: shape.rate,
    coupons: subject.coupons,
    burst: subject.burst,
    ...(Number.isFinite(shape.seconds) && { seconds: shape.seconds }),
    ...(shape.requests !== undefined && { requests: shape.requests }),
    // Claims of the same person at once: one of them gets the unit.
    ...(subject.burst > 1 && { once: subject.acceptedStatus }),
  });
}

/** Runs the load generator with these options on some addresses. Throws on an answer that is not expected. */
export async function runGenerator(
  stack: Stack,
  on: string,
  urls: string[],
  options: Record<string, string | number>,
): Promise<GeneratorResult> {
  const args = [
    ...['--import', 'tsx', 'loadtest/generator.ts'],
    ...urls.flatMap(url => ['--target', url]),
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ];
  const name = `load on ${on}`;
  return JSON.parse(
    await runToEnd({ name, command: process.execPath, args, folder: stack.folder }),
  ) as GeneratorResult;
}

function requestOf(subject: Subject, couponName: string): { path: string; body: string } {
  if (subject.form === 'simple')
    return { path: '/api/coupons/claim', body: `{"user_id":"{user}","coupon_name":"${couponName}"}` };
  return { path: `/api/coupons/${couponName}/claims`, body: '{"user_id":"{user}"}' };
}

/** Polls until `expected` units are claimed. */
async function awaitSettled(stock: Stock, expected: number, load: LoadResult) {
  const deadlineMs = Date.now() + SETTLE_LIMIT_MS;
  let backlogAtEnd: number | undefined;
  for (;;) {
    const { claimedCount } = await stock.readCounts();
    const settledAtMs = Date.now();
    backlogAtEnd ??= Math.max(0, expected - claimedCount);
    if (claimedCount >= expected) return { granted: claimedCount, backlogAtEnd, settledAtMs };
    if (settledAtMs > deadlineMs) {
      const shown = JSON.stringify(load.statuses);
      throw new Error(
        `${stock.name}: ${claimedCount} of ${expected} settled after ${SETTLE_LIMIT_MS} ms, ${shown}`,
      );
    }
    await sleep(SETTLE_POLL_MS);
  }
}

/**
 * Exactly what was accepted must be granted, within the stock. Requests whose answer was lost may be granted or
 * not. A grant too many may come late, so the counts are read once more after a while.
 */
async function assertExact({ name, amount, readCounts }: Stock, accepted: number, lost: number) {
  await sleep(RECHECK_DELAY_MS);
  const { claimedCount, remainingAmount } = await readCounts();
  const isExact =
    claimedCount >= Math.min(accepted, amount) && claimedCount <= Math.min(accepted + lost, amount);
  if (isExact && claimedCount + remainingAmount === amount) return;
  const counts = `${claimedCount} granted and ${remainingAmount} left of ${amount}`;
  throw new Error(`${name}: ${counts}, but ${accepted} accepted and ${lost} answers lost`);
}

function perSecond(count: number, durationMs: number): number {
  return Math.round((count * 1000) / durationMs);
}
