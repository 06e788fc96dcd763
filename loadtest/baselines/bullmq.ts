import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Queue } from 'bullmq';
import { createHistogram, packHistogram, record, summarize } from '../histogram.ts';
import { listenForOutcomes } from '../outcome-clock.ts';

/*
 * The ceiling of the queue: adds jobs with the payload of a claim, one claim a job, and waits until the worker
 * (bullmq-worker.ts) has emptied the queue. Prints the result as one line of JSON.
 *
 * node --import tsx baselines/bullmq.ts --queue <name> --redis <url> [--seconds 5] [--connections 256]
 *   [--rate 0] [--database <url>]
 *
 * Without --rate there are always --connections calls of `add` under way. With --database, which the worker
 * commits to, it also takes the time from the acknowledged `add` to the notification of the commit.
 */

const TICK_MS = 1;
const EMPTY_POLL_MS = 10;
const PERSON_DIGITS = 9;

const { values } = parseArgs({
  options: {
    queue: { type: 'string' },
    redis: { type: 'string' },
    database: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '256' },
    rate: { type: 'string', default: '0' },
  },
});
if (!values.queue || !values.redis) throw new Error('--queue and --redis are required');

const queue = new Queue(values.queue, { connection: { url: values.redis } });
const outcomes = values.database
  ? await listenForOutcomes(values.database, 'hop_done', payload => [payload])
  : undefined;
const prefix = `u-${randomBytes(4).toString('hex')}-`;
const durationMs = Number(values.seconds) * 1000;
const latency = createHistogram();
let sent = 0;

async function addJob(dueMs: number): Promise<void> {
  const userId = prefix + String(sent++).padStart(PERSON_DIGITS, '0');
  await queue.add('claim', { user_id: userId }, { jobId: userId, removeOnComplete: true });
  const nowMs = performance.now();
  record(latency, nowMs - dueMs);
  outcomes?.accepted(userId, nowMs);
}

async function addInTurn(endMs: number): Promise<void> {
  while (performance.now() < endMs) await addJob(performance.now());
}

async function addAtRate(startMs: number, perSecond: number): Promise<void> {
  const underWay: Promise<void>[] = [];
  const total = Math.floor((durationMs * perSecond) / 1000);
  while (sent < total) {
    for (; sent < total && startMs + (sent * 1000) / perSecond <= performance.now(); )
      underWay.push(addJob(startMs + (sent * 1000) / perSecond));
    await sleep(TICK_MS);
  }
  await Promise.all(underWay);
}

await queue.waitUntilReady();
const cpuBefore = process.cpuUsage();
const startMs = performance.now();
if (Number(values.rate) > 0) await addAtRate(startMs, Number(values.rate));
else
  await Promise.all(
    Array.from({ length: Number(values.connections) }, () => addInTurn(startMs + durationMs)),
  );
const addedMs = performance.now();
const backlogAtEnd = await queue.getJobCountByTypes('wait', 'active');
while ((await queue.getJobCountByTypes('wait', 'active')) > 0) await sleep(EMPTY_POLL_MS);
const settledMs = performance.now();
await outcomes?.allDecided();
const cpu = process.cpuUsage(cpuBefore);
const result = {
  startedAtMs: performance.timeOrigin + startMs,
  answers: sent,
  durationMs: addedMs - startMs,
  settled: sent,
  settledMs: settledMs - startMs,
  backlogAtEnd,
  latency: summarize(latency),
  outcomes: outcomes && packHistogram(outcomes.histogram),
  cpuMs: (cpu.user + cpu.system) / 1000,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
await outcomes?.close();
await queue.close();
