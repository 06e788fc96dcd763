import { createHash } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';
import { type Transactions, transaction } from '@claimline/db/transaction';
import { AppError, problems } from '@claimline/kernel/error';
import type { Context } from 'hono';
import type { KeyedRequest } from './idempotency-key.ts';
import {
  beginRun,
  findAnswer,
  finishRun,
  inUse,
  keepAnswer,
  lapseRun,
  type Run,
} from './idempotency-rows.ts';
import { replyProblem } from './problem.ts';
import { type Answer, replyJson } from './reply.ts';
import type { Env } from './scope.ts';

export const idempotencyLimits = {
  /** A run's lease is as long as its work waits by intent, and this for the rest: boarding, keeping the answer. */
  leaseSlackMs: 5000,
} as const;

/**
 * How a call keeps its promise under an Idempotency-Key: the first answer again, and the work once,
 * also when the process dies at any line.
 *
 * - `transaction`: all of the work is in Postgres, on the `sql` that the handler is given. The answer
 *   commits with it; a process that dies leaves neither.
 * - by reference: the work is elsewhere too, in the queue or with somebody who is paid. What it will be
 *   known by (a ticket, a charge's key) is fixed and stored before it begins. When the process dies, the
 *   next request runs the handler again after the lease, and the handler finds by the reference what
 *   was done. Two runs at once must come to the same. `waitMs` is how long the work waits by intent.
 *   `isRequired`: a request without a key is refused.
 */
export type Idempotent<Input> =
  | 'transaction'
  | {
      reference: (input: Input) => Promise<string | null>;
      waitMs: (input: Input) => number;
      isRequired?: boolean;
    };

/** What a handler runs with: where to write, and which run of its work it is where that goes by reference. */
export type Means = { sql: Sql; run: Run | undefined };
type Work = (means: Means) => Response | Promise<Response>;
type Kept = Answer & { isReplay: boolean };

/**
 * Kept is what the work came to: success, or a refusal that is final. Not kept, so that a retry runs
 * again: what tells the caller to come back (Retry-After with a problem), a place in line that was lost (410),
 * problems of ours, and requests that were refused before the work began.
 */
function isFinal({ status, headers }: Answer): boolean {
  return status < 400 || (status < 500 && status !== 410 && headers['Retry-After'] === undefined);
}

/**
 * Answers requests that carry an Idempotency-Key.
 * @param sql for single statements
 * @param transactions connections that run nothing else
 */
export function createIdempotency({ sql, transactions }: { sql: Sql; transactions: Transactions }) {
  /** A lock for as long as the transaction lasts, and the row at its end: who dies in between leaves nothing. */
  function inTransaction(c: Context<Env>, request: KeyedRequest, work: Work): Promise<Kept> {
    return transaction(transactions, async tx => {
      const [lock] = await tx`select pg_try_advisory_xact_lock(${lockOf(request)}::bigint) as mine`;
      if (!lock?.mine) throw inUse();
      const kept = await findAnswer(tx, request);
      if (kept) return { ...kept, isReplay: true };
      await tx`savepoint work`;
      const undo = () => tx`rollback to savepoint work`;
      const answer = await record(c, () => work({ sql: tx, run: undefined }), undo);
      if (isFinal(answer)) await keepAnswer(tx, request, answer);
      else await undo();
      return { ...answer, isReplay: false };
    });
  }

  async function byReference(
    c: Context<Env>,
    request: KeyedRequest,
    { reference, leaseMs }: { reference: () => Promise<string | null>; leaseMs: number },
    work: Work,
  ): Promise<Kept> {
    const run = await beginRun(sql, request, await reference(), leaseMs);
    if (!run) return replay(request);
    const lapse = () => lapseRun(sql, request, run).catch(() => {}); // Else the lease lapses by itself.
    let answer: Answer;
    try {
      answer = await record(c, () => work({ sql, run }));
    } catch (error) {
      await lapse();
      throw error;
    }
    if (!isFinal(answer)) {
      await lapse();
      return { ...answer, isReplay: false };
    }
    // Only what is kept is told. A run that took over after our lease may have been first.
    const { isFirst } = await finishRun(sql, request, answer);
    return isFirst ? { ...answer, isReplay: false } : replay(request);
  }

  async function replay(request: KeyedRequest): Promise<Kept> {
    const kept = await findAnswer(sql, request);
    if (!kept) throw inUse(); // Pruned in this instant.
    return { ...kept, isReplay: true };
  }

  return {
    sql,
    /** Runs `work` once for the request's key, or answers as it did the first time. Errors: those of the work. */
    async answer<Input>(
      c: Context<Env>,
      request: KeyedRequest,
      idempotent: Idempotent<Input>,
      input: Input,
      handle: (input: Input & Means) => Response | Promise<Response>,
    ): Promise<Response> {
      const work: Work = means => handle({ ...input, ...means });
      const kept =
        idempotent === 'transaction'
          ? await inTransaction(c, request, work)
          : await byReference(
              c,
              request,
              {
                reference: () => idempotent.reference(input),
                leaseMs: idempotent.waitMs(input) + idempotencyLimits.leaseSlackMs,
              },
              work,
            );
      const { status, headers, body, isReplay } = kept;
      return replyJson(c, status, body, isReplay ? { ...headers, 'Idempotent-Replayed': 'true' } : headers);
    },
  };
}

export type Idempotency = ReturnType<typeof createIdempotency>;

const placeholder = new Response();

/**
 * Does the work and takes down what it answers instead of sending it. A refusal that is thrown is an
 * answer too, after `undo`; what else is thrown goes on.
 */
async function record(
  c: Context<Env>,
  work: () => Response | Promise<Response>,
  undo?: () => Promise<unknown>,
): Promise<Answer> {
  let answer: Answer | undefined;
  c.env.record = given => {
    answer = given;
    return placeholder;
  };
  try {
    await work();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await undo?.();
    replyProblem(c, error.problem);
  } finally {
    c.env.record = undefined;
  }
  if (!answer) throw new Error('a call that takes an Idempotency-Key has to answer by reply()');
  return answer;
}

/** A refusal by the work itself: not a fault of the request's form, nor of ours. */
function isRefusal(error: unknown): error is AppError {
  if (!(error instanceof AppError) || error.problem.code === 'invalid_request') return false;
  return (error.problem.status ?? problems[error.problem.code].status) < 500;
}

/** 64 bits of the key's digest: two keys that share them would only wait for each other. */
function lockOf({ caller, route, key }: KeyedRequest): string {
  return createHash('sha256').update(`${caller}\n${route}\n${key}`).digest().readBigInt64BE().toString();
}
