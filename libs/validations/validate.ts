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
  /** More than wait in a process are told to come again. */
  waitingMost: 20_000,
  retryAfterS: 1,
  /** A database that took the statement and does not answer, though it should have given it up after 5 s. */
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

/**
 * Validates codes; those who ask at once are answered by one statement.
 *
 * @param sql a pool of its own with `validateSettings`; one connection is enough, since one statement runs at a time
 * @throws AppError `overloaded` when too many wait, `unavailable` when the database does not answer; what the driver
 *   throws when it is away
 */
export function createValidator(sql: Sql, { answerMs = validationLimits.answerMs as number } = {}): Validate {
  const train = createTrain<Asked, Verdict>({
    seats: validationLimits.seats,
    depart: asked => inTime(answerMs, judge(sql, asked)),
  });
  return asked => {
    if (train.size >= validationLimits.waitingMost)
      throw new AppError('overloaded', 'too many validations wait, try again', {
        retryAfterSeconds: validationLimits.retryAfterS,
      });
    return train.board(asked);
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
