import { settleSettings } from '@claimline/claims';
import { openChanges } from '@claimline/db/changes';
import { assertSchema } from '@claimline/db/migrate';
import { closePool, nestedBeginCode, openPool } from '@claimline/db/pool';
import { openTransactions } from '@claimline/db/transaction';
import { isLoopback } from '@claimline/http/access';
import { serve } from '@claimline/http/serve';
import { pause } from '@claimline/kernel/backoff';
import { openEngine } from '@claimline/queue/open';
import { metrics } from '@claimline/telemetry/metrics';
import { openUsageLog, usageLogLimits, validateSettings } from '@claimline/validations';
import { parseSecretKeys, readSeal } from '@claimline/webhooks';
import type { Config } from '../config.ts';
import { warnOfPayments } from '../payments.ts';
import type { Running, Setting } from '../process.ts';
import { requireDatabaseUrl } from '../process.ts';
import { createApp } from './app.ts';
import { readTicketKey } from './ticket-key.ts';

/** For codes that are assigned by name; opened when the first one is. */
const SETTLE_CONNECTIONS = 2;
/** One statement at a time validates for everybody who asks meanwhile. */
const VALIDATE_CONNECTIONS = 1;

/** Of the time to stop in, at most so much is kept back to write what was answered last. */
const LOG_SHARE = 1 / 3;

/** Starts the HTTP process. */
export async function startApi({ config, log, closers, retry }: Setting): Promise<Running> {
  const databaseUrl = requireDatabaseUrl(config);
  if (!config.OPERATOR_KEY && !isLoopback(config.HOST))
    throw new Error(`HOST is ${config.HOST}, which others can reach: set OPERATOR_KEY, or HOST=127.0.0.1`);
  sayWhatIsUnset(config, log);

  const onError = (error: unknown) => {
    metrics.errors.inc({ where: 'background' });
    log.error({ err: error }, 'background error');
  };
  const onNotice = (notice: { code: string }) => {
    if (notice.code === nestedBeginCode) metrics.notices25001.inc();
  };
  const sql = openPool({
    url: databaseUrl,
    applicationName: 'claimline api',
    max: config.DATABASE_CONNECTIONS,
    onNotice,
  });
  closers.push('postgres', () => closePool(sql));
  const settleSql = openPool({
    url: databaseUrl,
    applicationName: 'claimline api settle',
    max: SETTLE_CONNECTIONS,
    settings: settleSettings,
    onNotice,
  });
  closers.push('postgres for settle', () => closePool(settleSql));
  const validateSql = openPool({
    url: databaseUrl,
    applicationName: 'claimline api validate',
    max: VALIDATE_CONNECTIONS,
    settings: validateSettings,
    onNotice,
  });
  closers.push('postgres for validations', () => closePool(validateSql));
  const transactions = openTransactions({
    url: databaseUrl,
    applicationName: 'claimline api transactions',
    onNotice,
  });
  closers.push('transactions', () => transactions.close());
  await retry('postgres', () => assertSchema(sql));
  const changes = await openChanges({ url: databaseUrl, applicationName: 'claimline api listen', onError });
  closers.push('changes', () => changes.close());
  const engine = await retry('the queue', () =>
    openEngine({
      redisUrl: config.REDIS_URL,
      databaseUrl,
      sql,
      changes,
      side: 'accepting',
      connectionsMost: config.DATABASE_CONNECTIONS,
      onError,
    }),
  );
  closers.push('queue', () => engine.close());

  const { usageLog, closeMs } = openLog(config, databaseUrl, onError);
  closers.push('usage log', () => usageLog.close());

  let isReady = true;
  let address: string | null = null;
  const { fetch, release, closeWebhooks } = await createApp({
    config,
    log,
    sql,
    settleSql,
    validateSql,
    transactions,
    changes,
    engine,
    usageLog,
    ticketKey: await readTicketKey(sql),
    seal: await readSeal(sql, parseSecretKeys(config.WEBHOOK_SECRET_KEY ?? '')),
    isReady: () => isReady,
    address: () => address,
    onError,
  });
  closers.push('webhooks', closeWebhooks);
  const serving = await listen(fetch, config);
  address = addressOf(config.HOST, serving.port);
  log.info({ host: config.HOST, port: serving.port, engine: engine.kind }, 'listening');

  return {
    address,
    async stop(withinMs) {
      isReady = false;
      serving.drain();
      const drainMs = config.DRAIN_SECONDS * 1000;
      await pause(drainMs);
      release();
      const { cut } = await serving.close(Math.max(0, withinMs - drainMs - closeMs));
      await usageLog.close(); // Also where requests are cut off, which ends the process as it is.
      if (cut) throw new Error('requests were cut off at the deadline');
    },
  };
}

function sayWhatIsUnset(config: Config, log: Setting['log']): void {
  if (!config.WEBHOOK_SECRET_KEY)
    log.info('no WEBHOOK_SECRET_KEY: the key of webhook secrets is kept in the database beside them');
  if (!config.OPERATOR_KEY) log.warn('no OPERATOR_KEY: everything is open to everybody on this machine');
  warnOfPayments(config, log);
}

function openLog(config: Config, url: string, onError: (error: Error) => void) {
  const closeMs = Math.min(usageLogLimits.closeMs, config.SHUTDOWN_TIMEOUT_SECONDS * LOG_SHARE * 1000);
  const usageLog = openUsageLog({ url, dataDir: config.DATA_DIR, onError, limits: { closeMs } });
  return { usageLog, closeMs };
}

/** Serves on the configured address. Error: one that says so where it is taken. */
function listen(fetch: Parameters<typeof serve>[0], { HOST, PORT }: Config) {
  return serve(fetch, HOST, PORT).catch(error => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`PORT ${PORT} of ${HOST} is taken by another program`);
  });
}

function addressOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
