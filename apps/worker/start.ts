import { createClaimLanes, settleSettings } from '@claimline/claims/jobs';
import { openChanges } from '@claimline/db/changes';
import { assertSchema } from '@claimline/db/migrate';
import { closePool, nestedBeginCode, openPool } from '@claimline/db/pool';
import { withDeadline } from '@claimline/kernel/backoff';
import { type Host, openHost } from '@claimline/queue/host';
import { openEngine } from '@claimline/queue/open';
import { createSeatLanes } from '@claimline/seats/jobs';
import { metrics } from '@claimline/telemetry/metrics';
import type { Running, Setting } from '../process.ts';
import { requireDatabaseUrl } from '../process.ts';
import { servePort } from './port.ts';
import { startSchedule } from './schedule.ts';
import { startWebhooks } from './webhooks.ts';

/** A settle that takes this long is broken off; it is retried by its job. */
const SETTLE_TIMEOUT_MS = 30_000;
/** Connections of their own for what is due from time to time, so that settling never waits for what is pruned or swept. */
const SCHEDULE_CONNECTIONS = 4;

/** Starts the job process: it opens the lanes that are wanted, and does what is due from time to time. */
export async function startWorker({ config, log, closers, retry }: Setting): Promise<Running> {
  const databaseUrl = requireDatabaseUrl(config);
  let host: Host | undefined;
  // Before there is a lane: one that was taken by a worker which cannot start has to wait for its lease to run out.
  const port = await servePort({
    config,
    host: () => host,
    onLanes: count => metrics.lanesOpen.set(count),
  });
  const onError = (error: unknown) => {
    metrics.errors.inc({ where: 'background' });
    log.error({ err: error }, 'background error');
  };
  const onNotice = (notice: { code: string }) => {
    if (notice.code === nestedBeginCode) metrics.notices25001.inc();
  };
  const sql = openPool({
    url: databaseUrl,
    applicationName: 'claimline worker',
    max: config.DATABASE_CONNECTIONS,
    statementTimeoutMs: SETTLE_TIMEOUT_MS,
    settings: settleSettings,
    onNotice,
  });
  closers.push('postgres', () => closePool(sql));
  const scheduleSql = openPool({
    url: databaseUrl,
    applicationName: 'claimline worker schedule',
    max: SCHEDULE_CONNECTIONS,
    statementTimeoutMs: SETTLE_TIMEOUT_MS,
    settings: settleSettings,
    onNotice,
  });
  closers.push('postgres for the schedule', () => closePool(scheduleSql));
  await retry('postgres', () => assertSchema(sql));
  const changes = await openChanges({
    url: databaseUrl,
    applicationName: 'claimline worker listen',
    onError,
  });
  closers.push('changes', () => changes.close());
  const lanesMost = config.LANES_PER_WORKER;
  const engine = await retry('the queue', () =>
    openEngine({
      redisUrl: config.REDIS_URL,
      databaseUrl,
      sql,
      changes,
      side: 'working',
      connectionsMost: config.DATABASE_CONNECTIONS,
      onError,
    }),
  );
  closers.push('queue', () => engine.close());

  const lanes = createClaimLanes({ engine, sql, onError });
  const webhooks = await startWebhooks({ config, databaseUrl, changes, engine, log, closers, onError });
  const seatLanes = createSeatLanes({ engine, sql, onError });
  const open = (lane: string) => webhooks.open(lane) ?? seatLanes.open(lane) ?? lanes.open(lane);
  const isDone = async (lane: string) =>
    (await webhooks.isDone(lane)) ?? (await seatLanes.isDone(lane)) ?? lanes.isDone(lane);
  host = await openHost({ engine, lanesMost, open, isDone, onError });
  const schedule = startSchedule({ config, databaseUrl, sql: scheduleSql, engine, log });
  log.info({ engine: engine.kind, lanes_most: lanesMost }, 'working');

  return {
    async stop(withinMs) {
      schedule.stop();
      await Promise.all([
        withDeadline('the end of webhooks under way', withinMs, webhooks.stop()),
        withDeadline('the end of jobs in hand', withinMs, host.close()),
      ]);
      await port?.close(withinMs);
    },
  };
}
