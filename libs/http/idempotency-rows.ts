import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import type { KeyedRequest } from './idempotency-key.ts';
import type { Answer } from './reply.ts';

export const rowLimits = {
  /** A key is known for at least this long after its first request. */
  keptHours: 24,
  /** Rows deleted in one statement, so that none of them holds anybody up. */
  bite: 5000,
  /** Retry-After of a request whose first one is still running. */
  retryAfterS: 1,
} as const;

/** One run of a request's work. `reference` is the first run's; a `number` above 1 means that it may have begun. */
export type Run = { reference: string | null; number: number };

type Row = { isSame: boolean; status: number | null; headers: Answer['headers']; body: string };

/**
 * The answer that is kept for the request, or null when there is nothing of it.
 * @throws AppError `idempotency_key_reused` for another request, `idempotency_key_in_use` without an answer yet
 */
export async function findAnswer(sql: Sql, request: KeyedRequest): Promise<Answer | null> {
  const [row] = await sql<Row[]>`
    select fingerprint = ${request.fingerprint} as "isSame", status, headers, body
    from idempotency_keys where ${isOf(sql, request)}`;
  if (!row) return null;
  if (!row.isSame)
    throw new AppError('idempotency_key_reused', 'the Idempotency-Key was used for another request');
  if (row.status === null) throw inUse();
  const body = request.seal ? request.seal.open(row.body) : row.body;
  return { status: row.status, headers: row.headers, body };
}

/** Somebody else's run of the same request is under way. */
export function inUse(): AppError {
  return new AppError('idempotency_key_in_use', 'the first request with this Idempotency-Key is running', {
    retryAfterSeconds: rowLimits.retryAfterS,
  });
}

/** Keeps the answer of work that commits in the same transaction. */
export async function keepAnswer(tx: Sql, request: KeyedRequest, answer: Answer): Promise<void> {
  await tx`
    insert into idempotency_keys (caller, route, key, fingerprint, status, headers, body)
    values (${request.caller}, ${request.route}, ${request.key}, ${request.fingerprint},
      ${answer.status}, ${tx.json(answer.headers)}, ${bodyToKeep(request, answer)})`;
}

/** Begins a run that is leased for `leaseMs`, the first one or the next after one that lapsed; null when there is a row. */
export async function beginRun(
  sql: Sql,
  request: KeyedRequest,
  reference: string | null,
  leaseMs: number,
): Promise<Run | null> {
  const [run] = await sql<Run[]>`
    insert into idempotency_keys as kept (caller, route, key, fingerprint, reference, leased_until)
    values (${request.caller}, ${request.route}, ${request.key}, ${request.fingerprint}, ${reference},
      now() + ${leaseMs} * interval '1 ms')
    on conflict (caller, route, key) do update
      set leased_until = excluded.leased_until, runs = kept.runs + 1
      where kept.status is null and kept.leased_until <= now() and kept.fingerprint = excluded.fingerprint
    returning reference, runs as number`;
  return run ?? null;
}

/** Keeps a run's answer, unless another run's is kept already. */
export async function finishRun(
  sql: Sql,
  request: KeyedRequest,
  answer: Answer,
): Promise<{ isFirst: boolean }> {
  const { count } = await sql`
    update idempotency_keys set status = ${answer.status}, headers = ${sql.json(answer.headers)}, body = ${bodyToKeep(request, answer)}
    where ${isOf(sql, request)} and status is null`;
  return { isFirst: count === 1 };
}

/** Ends a run without an answer that is worth keeping: the next request runs again, with the same reference. */
export async function lapseRun(sql: Sql, request: KeyedRequest, run: Run): Promise<void> {
  await sql`
    update idempotency_keys set leased_until = now()
    where ${isOf(sql, request)} and status is null and runs = ${run.number}`;
}

/** Deletes what was kept long enough, in small bites; returns how many. */
export async function pruneIdempotencyKeys(sql: Sql): Promise<number> {
  let pruned = 0;
  for (;;) {
    const { count } = await sql`
      delete from idempotency_keys where (caller, route, key) in (
        select caller, route, key from idempotency_keys
        where created_at < now() - ${rowLimits.keptHours} * interval '1 hour'
        limit ${rowLimits.bite} for update skip locked
      )`;
    pruned += count;
    if (count < rowLimits.bite) return pruned;
  }
}

function bodyToKeep({ seal }: KeyedRequest, { body }: Answer): string {
  return seal ? seal.seal(body) : body;
}

function isOf(sql: Sql, { caller, route, key }: KeyedRequest) {
  return sql`caller = ${caller} and route = ${route} and key = ${key}`;
}
