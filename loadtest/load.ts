import { performance } from 'node:perf_hooks';
import type { Answer } from './answer.ts';
import { type Connection, openConnection, type Target } from './connection.ts';
import { createHistogram, type LatencySummary, record, summarize } from './histogram.ts';
import { addressTo, buildRequest, type RequestTemplate } from './request-template.ts';

export type LoadPlan = {
  /** Connections are dealt to them in turn. */
  targets: Target[];
  method: string;
  /** `{user}` in path and body becomes a person, `{coupon}` one of `coupons` numbers, persons in turn. */
  path: string;
  body: string;
  /** Bodies that are sent in turn, each as it is, in place of `body`. */
  bodies?: string[];
  userPrefix: string;
  coupons: number;
  /** `{event}` is another one for every `crowd` people, from `firstEvent`. */
  crowd?: number;
  firstEvent?: number;
  /** So many requests at once are of the same person; every burst is of another one. */
  burst: number;
  connections: number;
  /** No request starts later than this; Infinity when only `requests` ends the run. */
  durationMs: number;
  /** No more requests than this. */
  requests: number;
  /** Open model: requests fall due at this rate, whatever the answers do. 0: closed loop. */
  ratePerSecond: number;
  expectedStatuses: number[];
  /** Hears of each answer that is expected; `bytes` are overwritten afterwards. */
  onAnswer?: (answer: Answer, bytes: Buffer, userNumber: number) => void;
};

export type LoadResult = {
  answers: number;
  statuses: Record<string, number>;
  /** From the first request to the last answer. */
  durationMs: number;
  answersPerSecond: number;
  /** In the open model from the moment a request fell due, so that waiting for a connection counts. */
  latency: LatencySummary;
  averageMs: number;
  minMs: number;
  /** Requests whose connection was lost before the answer. */
  dropped: number;
  connectionsLost: number;
  /** Open model: requests that fell due and were never sent, for want of a connection. */
  unsent: number;
  /** Unix time of the first request, in ms. */
  startedAtMs: number;
  cpuMs: number;
  /** Of one core, 0 to 1. */
  cpuShare: number;
};

const ANSWER_TIMEOUT_MS = 30_000;
// Far below the 511 connections that a Node server lets wait: one that finds no place there is open for us, and
// what it sends waits for seconds.
const OPENED_AT_ONCE = 64;
const REOPEN_DELAY_MS = 50;
const CONNECTION_LOSS_LIMIT = 1000;
const TICK_MS = 1;
// What falls due just before the end is sent by a tick just after it.
const LAST_TICK_GRACE_MS = 10;
const BODY_EXCERPT_BYTES = 500;

/**
 * Sends the requests of a plan and waits for every answer.
 * Rejects on the first status that is not expected, when connections keep getting lost, and when answers
 * stay out for 30 s after the end.
 */
export function runLoad(plan: LoadPlan): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const statuses = new Map<number, number>();
    const histogram = createHistogram();
    const requests = new Map<Connection, RequestTemplate>();
    const sentAtMs = new Map<Connection, number>();
    const userNumbers = new Map<Connection, number>();
    const isOpenModel = plan.ratePerSecond > 0;
    let free: Connection[] = [];
    let started = false;
    let finished = false;
    let startMs = 0;
    let deadlineMs = Number.POSITIVE_INFINITY;
    let lastSendMs = Number.POSITIVE_INFINITY;
    let lastAnswerMs = 0;
    let cpuBefore = process.cpuUsage();
    let sent = 0;
    let inFlight = 0;
    let dropped = 0;
    let totalMs = 0;
    let minMs = Number.POSITIVE_INFINITY;
    const given = buildGiven(plan);
    let connectionsLost = 0;
    let ticker: NodeJS.Timeout | undefined;
    let watchdog: NodeJS.Timeout | undefined;

    function open(target: Target): void {
      const connection = openConnection(target, {
        onReady,
        onAnswer,
        onLost: (...lost) => onLost(target, ...lost),
      });
      const host = `${target.host}:${target.port}`;
      requests.set(connection, buildRequest({ ...plan, host }));
    }

    function onReady(connection: Connection): void {
      free.push(connection);
      openNext();
      if (!started && free.length === plan.connections) start();
      else if (started) sendDue(performance.now());
    }

    function start(): void {
      started = true;
      cpuBefore = process.cpuUsage();
      startMs = performance.now();
      deadlineMs = startMs + plan.durationMs;
      lastSendMs = isOpenModel ? deadlineMs + LAST_TICK_GRACE_MS : deadlineMs;
      if (Number.isFinite(deadlineMs)) watchdog = setTimeout(onOverdue, plan.durationMs + ANSWER_TIMEOUT_MS);
      if (isOpenModel) ticker = setInterval(() => sendDue(performance.now()), TICK_MS);
      sendDue(startMs);
    }

    /** When the next request falls due: in a closed loop as soon as a connection is free. */
    function nextDueMs(nowMs: number): number {
      return isOpenModel ? startMs + (sent * 1000) / plan.ratePerSecond : nowMs;
    }

    function isNextDue(nowMs: number): boolean {
      return !isLastSent(nowMs) && nextDueMs(nowMs) <= nowMs;
    }

    function isLastSent(nowMs: number): boolean {
      return sent >= plan.requests || nextDueMs(nowMs) >= deadlineMs;
    }

    function sendDue(nowMs: number): void {
      while (isBurstFree() && nowMs < lastSendMs && isNextDue(nowMs)) send(free.pop()!, nowMs);
      if (inFlight === 0 && (nowMs >= lastSendMs || isLastSent(nowMs))) finish();
    }

    /** A burst starts only when there are connections for all of it. */
    function isBurstFree(): boolean {
      return free.length >= plan.burst - (sent % plan.burst);
    }

    function send(connection: Connection, nowMs: number): void {
      const userNumber = Math.floor(sent / plan.burst);
      const bytes = given ? given[sent % given.length]! : bytesOf(requests.get(connection)!, userNumber);
      userNumbers.set(connection, userNumber);
      sentAtMs.set(connection, nextDueMs(nowMs));
      sent += 1;
      inFlight += 1;
      connection.send(bytes);
    }

    function onAnswer(connection: Connection, answer: Answer, bytes: Buffer): void {
      const nowMs = performance.now();
      inFlight -= 1;
      lastAnswerMs = nowMs;
      const tookMs = nowMs - sentAtMs.get(connection)!;
      record(histogram, tookMs);
      totalMs += tookMs;
      minMs = Math.min(minMs, tookMs);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (!plan.expectedStatuses.includes(answer.status)) {
        const body = bytes.toString('utf8', answer.bodyOffset, answer.bodyOffset + BODY_EXCERPT_BYTES);
        fail(new Error(`unexpected status ${answer.status} after ${histogram.total} answers: ${body}`));
        return;
      }
      plan.onAnswer?.(answer, bytes, userNumbers.get(connection)!);
      // A connection that the server is about to close comes back as a new one.
      if (!answer.closes) free.push(connection);
      sendDue(nowMs);
    }

    function onLost(
      target: Target,
      connection: Connection,
      wasInFlight: boolean,
      error: Error | undefined,
    ): void {
      connectionsLost += 1;
      if (connectionsLost > CONNECTION_LOSS_LIMIT) {
        fail(new Error(`${connectionsLost} connections lost, the last by: ${error?.message ?? 'an end'}`));
        return;
      }
      requests.delete(connection);
      free = free.filter(other => other !== connection);
      if (wasInFlight) {
        dropped += 1;
        inFlight -= 1;
      }
      setTimeout(() => !finished && open(target), REOPEN_DELAY_MS);
      if (started) sendDue(performance.now());
    }

    function onOverdue(): void {
      fail(new Error(`${inFlight} answers still out ${ANSWER_TIMEOUT_MS} ms after the end`));
    }

    function close(): void {
      finished = true;
      clearInterval(ticker);
      clearTimeout(watchdog);
      for (const connection of requests.keys()) connection.close();
    }

    function fail(error: Error): void {
      if (finished) return;
      close();
      reject(error);
    }

    function finish(): void {
      if (finished) return;
      const cpu = process.cpuUsage(cpuBefore);
      close();
      const durationMs = lastAnswerMs - startMs;
      const due = isOpenModel
        ? Math.min(plan.requests, Math.floor((plan.durationMs * plan.ratePerSecond) / 1000))
        : sent;
      const cpuMs = (cpu.user + cpu.system) / 1000;
      resolve({
        answers: histogram.total,
        statuses: Object.fromEntries(statuses),
        durationMs: Math.round(durationMs),
        answersPerSecond: Math.round((histogram.total * 1000) / durationMs),
        latency: summarize(histogram),
        averageMs: roundMs(totalMs / Math.max(1, histogram.total)),
        minMs: roundMs(histogram.total > 0 ? minMs : 0),
        dropped,
        connectionsLost,
        unsent: Math.max(0, due - sent),
        startedAtMs: Math.round(performance.timeOrigin + startMs),
        cpuMs: Math.round(cpuMs),
        cpuShare: Math.round((cpuMs / durationMs) * 1000) / 1000,
      });
    }

    let opened = 0;
    function openNext(): void {
      if (opened < plan.connections) open(plan.targets[opened++ % plan.targets.length]!);
    }
    while (opened < Math.min(OPENED_AT_ONCE, plan.connections)) openNext();
  });
}

/** The requests of a plan that brings its bodies; undefined of one that does not. */
function buildGiven(plan: LoadPlan): Buffer[] | undefined {
  const [{ host, port }] = plan.targets as [Target, ...Target[]];
  return plan.bodies?.map(body => buildRequest({ ...plan, body, host: `${host}:${port}` }).bytes);
}

function bytesOf(request: RequestTemplate, userNumber: number): Buffer {
  addressTo(request, userNumber);
  return request.bytes;
}

function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
