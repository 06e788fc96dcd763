import { settleSettings } from '@claimline/claims/jobs';
import type { Changes } from '@claimline/db/changes';
import { closePool, openPool } from '@claimline/db/pool';
import type { Closers } from '@claimline/kernel/closers';
import type { Engine } from '@claimline/queue/engine';
import type { Logger } from '@claimline/telemetry/log';
import { parseAllowList, parseSecretKeys } from '@claimline/webhooks';
import { startDeliveries } from '@claimline/webhooks/jobs';
import type { Config } from '../config.ts';

/** Connections of their own, so that settling never waits for webhooks: relay, two sweeps, loading and recording. */
const CONNECTIONS = 5;
/** The relay makes messages of a thousand outcomes at a time, for a thousand endpoints at most. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** Starts the part of a worker that delivers webhooks. */
export function startWebhooks({
  config,
  databaseUrl,
  changes,
  engine,
  log,
  closers,
  onError,
}: {
  config: Config;
  databaseUrl: string;
  changes: Changes;
  engine: Engine;
  log: Logger;
  closers: Closers;
  onError: (error: unknown) => void;
}) {
  const sql = openPool({
    url: databaseUrl,
    applicationName: 'claimline worker webhooks',
    max: CONNECTIONS,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    settings: settleSettings,
  });
  closers.push('postgres for webhooks', () => closePool(sql));
  return startDeliveries({
    sql,
    changes,
    engine,
    secretKeys: parseSecretKeys(config.WEBHOOK_SECRET_KEY ?? ''),
    allow: parseAllowList(config.WEBHOOK_ALLOW_HOSTS ?? ''),
    settings: {
      schedule: {
        waitsMs: config.WEBHOOK_SCHEDULE_SECONDS.map(seconds => seconds * 1000),
        throttledMs: config.WEBHOOK_THROTTLED_SECONDS * 1000,
      },
      concurrency: config.WEBHOOK_CONCURRENCY,
      totalMs: config.WEBHOOK_TIMEOUT_SECONDS * 1000,
      disableAfterS: config.WEBHOOK_DISABLE_HOURS * 3600,
    },
    onDisabled: (endpointId, reason) =>
      log.warn({ endpoint_id: endpointId, reason }, 'webhook endpoint is disabled'),
    onError,
  });
}
