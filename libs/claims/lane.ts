import { isStatementTimeout } from '@claimline/db/error';
import type { Sql } from '@claimline/db/pool';
import { backoffMs, pause } from '@claimline/kernel/backoff';
import { type Engine, type OpenLane, Poison } from '@claimline/queue/engine';
import { openSettlingLane, StoppedError } from '@claimline/queue/settling-lane';
import { metrics } from '@claimline/telemetry/metrics';
import type { Gate } from './gate.ts';
import { type JobClaim, type JobData, jobSchema } from './job.ts';
import { couponOf } from './lane-name.ts';
import type { Decision, Settled } from './outcome.ts';
import { type Batch, fail, settle } from './settle.ts';

export const laneLimits = {
  /** Jobs in hand: with several API processes one statement takes the claims of several jobs. */
  inHand: 16,
  gateRetryBaseMs: 50,
  gateRetryMostMs: 2000,
} as const;

/** What became of a job's claims, kept with the job for the board. */
export type JobSummary = { granted: number; refused: number };

type House = { engine: Engine; sql: Sql; gate: Gate; onError: (error: Error) => void };

/** A coupon's lane: settles its claims single-file, in line order. */
export function openLane(lane: string, { engine, sql, gate, onError }: House): OpenLane {
  async function settleJobs(jobs: JobData[], signal: AbortSignal): Promise<(JobSummary | Error)[]> {
    const decisions = new Map<string, Decision>();
    const failures = new Map<string, Error>();
    for (const batch of batchesOf(jobs)) await settleBatch(batch, signal, decisions, failures);
    return jobs.map(job => summarize(job, decisions, failures));
  }

  /**
   * A batch that fails by surprise is settled claim by claim, so that a poisonous one harms nobody else, and one that takes
   * too long in halves.
   */
  async function settleBatch(
    batch: Batch,
    signal: AbortSignal,
    decisions: Map<string, Decision>,
    failures: Map<string, Error>,
  ) {
    try {
      const news = await settle(sql, batch, signal);
      await tellGate(news, signal);
      for (const [ticket, decision] of news.decisions) decisions.set(ticket, decision);
    } catch (error) {
      if (error instanceof StoppedError || batch.claims.length === 1)
        for (const [ticket] of batch.claims) failures.set(ticket, error as Error);
      else
        for (const claims of partsOf(
          batch.claims,
          isStatementTimeout(error) ? Math.ceil(batch.claims.length / 2) : 1,
        ))
          await settleBatch({ ...batch, claims }, signal, decisions, failures);
    }
  }

  /** The shared gate hears of it before the job counts as done: a dead worker's job is settled again and tells it. */
  async function tellGate(news: Settled, signal: AbortSignal) {
    countDecided(news);
    if (!gate.isShared) return;
    for (let attempt = 1; ; attempt++) {
      try {
        await gate.settled(news);
        return;
      } catch (error) {
        if (signal.aborted) throw new StoppedError('stopped while the gate was away', { cause: error });
        onError(error as Error);
        await pause(
          backoffMs(attempt, { baseMs: laneLimits.gateRetryBaseMs, maxMs: laneLimits.gateRetryMostMs }),
          signal,
        );
      }
    }
  }

  function read(data: unknown): JobData {
    const parsed = jobSchema.safeParse(data);
    if (parsed.success && parsed.data.coupon === couponOf(lane)) return parsed.data;
    throw new Poison(`not a claim job: ${parsed.error?.issues[0]?.message ?? 'of another coupon'}`);
  }

  async function onDead({ coupon, name, claims }: JobData) {
    await fail(sql, { couponId: coupon, couponName: name, claims });
    const entries = claims.map(([ticket, userId]) => ({ ticket, userId }));
    if (gate.isShared) await gate.giveBack(coupon, entries);
  }

  return openSettlingLane(lane, {
    ...{ engine, inHand: laneLimits.inHand, read, settle: settleJobs, onDead, onError },
  });
}

/** One batch in line order, each ticket once. Jobs of one lane are of one coupon. */
function batchesOf(jobs: JobData[]): Batch[] {
  const [first] = jobs;
  if (!first) return [];
  const byTicket = new Map(jobs.flatMap(job => job.claims).map(claim => [claim[0], claim]));
  const claims = [...byTicket.values()].sort((a, b) => a[2] - b[2]);
  return [{ couponId: first.coupon, couponName: first.name, claims }];
}

function partsOf(claims: JobClaim[], size: number): JobClaim[][] {
  const count = Math.ceil(claims.length / size);
  return Array.from({ length: count }, (_, i) => claims.slice(i * size, (i + 1) * size));
}

function summarize(
  job: JobData,
  decisions: Map<string, Decision>,
  failures: Map<string, Error>,
): JobSummary | Error {
  const summary: JobSummary = { granted: 0, refused: 0 };
  for (const [ticket] of job.claims) {
    const failure = failures.get(ticket);
    if (failure) return failure;
    if (decisions.get(ticket)?.status === 'granted') summary.granted++;
    else summary.refused++;
  }
  return summary;
}

/** Counted by statement: a counter's labels cost more than they tell, claim by claim. */
function countDecided(news: Settled) {
  const counts = new Map<string, number>();
  for (const decision of news.decisions.values()) {
    const name = decision.status === 'refused' ? `refused ${decision.reason}` : decision.status;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const [name, n] of counts) {
    const [outcome = '', reason = ''] = name.split(' ');
    metrics.decided.inc({ outcome, reason }, n);
  }
}
