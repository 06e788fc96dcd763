import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { createTrain } from '@claimline/kernel/train';
import { metrics } from '@claimline/telemetry/metrics';
import { longestWaitMs, type Schedule, type Verdict } from './judge.ts';
import { patiently } from './patience.ts';

const loadStatement = sqlFile(import.meta.url, './load.sql');
const recordStatement = sqlFile(import.meta.url, './record.sql');

export const attemptLimits = {
  /** Deliveries that are loaded, or recorded, by one statement. */
  seats: 200,
  /** Failures that an endpoint has at least before it is disabled for them. */
  failuresLeast: 8,
  /** Its failures begin anew when nothing was sent to it for so long, and for longer than any wait of the schedule. */
  silentLeastS: 86_400,
  /** The breaker opens when of at least so many attempts in this time so large a share failed, for that long. */
  breaker: { windowS: 300, attemptsLeast: 10, failedShare: 0.7, openS: 30 },
} as const;

/** What an attempt needs to know (load.sql). */
export type LoadedDelivery = {
  id: number;
  run: number;
  lane: string;
  attempts: number;
  message_id: string;
  payload: string;
  url: string | null;
  is_callback: boolean;
  secrets: string[];
  is_open: boolean;
  now_s: number;
};

/** What came of a delivery (record.sql). */
export type Outcome = {
  delivery: number;
  run: number;
  verdict: Verdict['verdict'] | 'held';
  /** It failed on our side, which says nothing of the receiver. */
  is_ours: boolean;
  number: number;
  /** Where it was sent, or would have been. */
  url: string | null;
  wait_ms: number | null;
  status_code: number | null;
  error: string | null;
  duration_ms: number;
  body: string;
};

/**
 * Reads and writes what deliveries need, of all lanes of the process together: those that arrive together
 * share a statement. Both wait for Postgres while it is away, until `signal` aborts.
 */
export function createAttempts({
  sql,
  schedule,
  disableAfterS,
  signal,
  onDisabled,
}: {
  sql: Sql;
  schedule: Schedule;
  /** After so many seconds of nothing but failures an endpoint is disabled. */
  disableAfterS: number;
  signal: AbortSignal;
  onDisabled: (endpointId: string, reason: string) => void;
}) {
  const { seats, failuresLeast, silentLeastS, breaker } = attemptLimits;
  const { windowS, attemptsLeast, failedShare, openS } = breaker;
  const silentS = Math.max(silentLeastS, Math.ceil(longestWaitMs(schedule) / 1000));

  const loads = createTrain<number, LoadedDelivery | null>({
    seats,
    async depart(ids) {
      const rows = await patiently(signal, () =>
        sql.unsafe<LoadedDelivery[]>(loadStatement, [ids], { prepare: true }),
      );
      const byId = new Map(rows.map(row => [row.id, row]));
      return ids.map(id => byId.get(id) ?? null);
    },
  });

  const records = createTrain<Outcome, void>({
    seats,
    async depart(outcomes) {
      const given = JSON.stringify(outcomes);
      const settings = [disableAfterS, failuresLeast, windowS, attemptsLeast, failedShare, openS, silentS];
      const disabled = await patiently(signal, () =>
        sql.unsafe<{ endpoint_id: string; reason: string }[]>(recordStatement, [given, ...settings], {
          prepare: true,
        }),
      );
      for (const { verdict } of outcomes) metrics.webhookAttempts.inc({ verdict });
      for (const { endpoint_id, reason } of disabled) onDisabled(endpoint_id, reason);
      return outcomes.map(() => undefined);
    },
  });

  return {
    /** Null: the delivery is not pending any more. */
    load: (delivery: number) => loads.board(delivery),
    record: (outcome: Outcome) => records.board(outcome),
  };
}

export type Attempts = ReturnType<typeof createAttempts>;
