import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { DeadlineError, withDeadline } from '@claimline/kernel/backoff';
import { AppError } from '@claimline/kernel/error';
import { createTrain } from '@claimline/kernel/train';
import { metrics } from '@claimline/telemetry/metrics';
import type { Reason } from './attempt.ts';

const validateStatement = sqlFile(import.meta.url, './validate.sql');

export const validationLimits = {
  /** Validations that one statement answers. */
  seats: 500,
  /** More than wait in a process are told to come again: half of REQUESTS_IN_FLIGHT, so that others find room. */
  waitingMost: 5000,
  retryAfterS: 1,
  /**
   * From arrival to the answer, however many statements fail meanwhile. It is more than the 5 s after which the
   * database gives a statement up.
   */
  answerMs: 6000,
} as const;

/**
 * Settings of the session that validates: one plan, made of index lookups, however small the tables were when it
 * was prepared.
 */
export const validateSettings = { enable_seqscan: 'off', plan_cache_mode: 'force_generic_plan' } as const;

/** What is asked: a code as it is stored, a person, an order's value in minor units, its id and a session if any. */
export type Asked = {
  code: string;
  userId: string;
  orderValue: number;
  orderId: string | null;
  session: string | null;
};

/** A reason, or the discount of a code that is good, in minor units. The coupon where there is such a code. */
export type Verdict =
  | { reason: null; coupon_name: string; coupon_id: string; discount_amount: number }
  | { reason: Reason; coupon_name: string | null; coupon_id: string | null; discount_amount: null };

export type Validate = (asked: Asked) => Promise<Verdict>;

/** Who waits; who is gone was told that it took too long. */
type Waiting = { asked: Asked; isGone: boolean };

/**
 * Validates codes; those who ask at once are answered by one statement.
 *
 * @param sql a pool of its own with `validateSettings`; one connection is enough, since one statement runs at a time
 * @throws AppError `overloaded` when too many wait, `unavailable` when the database does not answer; what the driver
 *   throws when it is away
 */
export function createValidator(sql: Sql, { answerMs = validationLimits.answerMs as number } = {}): Validate {
  const train = createTrain<Waiting, Verdict>({
    seats: validationLimits.seats,
    async depart(waiting) {
      // In the order of arrival, so those who are gone are the first.
      const gone = waiting.findIndex(one => !one.isGone);
      if (gone < 0) return [];
      const there = waiting.slice(gone).map(one => one.asked);
      const verdicts = await inTime(answerMs, judge(sql, there));
      return waiting.map((_, index) => verdicts[index - gone] as Verdict);
    },
  });
  return async asked => {
    if (train.size >= validationLimits.waitingMost)
      throw new AppError('overloaded', 'too many validations wait, try again', {
        retryAfterSeconds: validationLimits.retryAfterS,
      });
    const waiting = { asked, isGone: false };
    try {
      return await inTime(answerMs, train.board(waiting));
    } catch (error) {
      waiting.isGone = true;
      throw error;
    }
  };
}

async function inTime<Answer>(answerMs: number, answer: Promise<Answer>): Promise<Answer> {
  try {
    return await withDeadline('the database', answerMs, answer);
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    throw new AppError('unavailable', 'the database does not answer, try again', {
      retryAfterSeconds: validationLimits.retryAfterS,
      cause: error,
    });
  }
}

/** A verdict for each, in their order. */
export async function judge(sql: Sql, asked: Asked[]): Promise<Verdict[]> {
  metrics.validationLookups.observe(asked.length);
  return sql.unsafe<Verdict[]>(
    validateStatement,
    [
      asked.map(one => one.code),
      asked.map(one => one.userId),
      asked.map(one => one.orderValue),
      asked.map(one => one.orderId),
      asked.map(one => one.session),
    ],
    { prepare: true },
  );
}
