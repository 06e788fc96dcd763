import type { Sql } from '@claimline/db/pool';
import { reply, replyRaw } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { withDeadline } from '@claimline/kernel/backoff';
import type { Engine } from '@claimline/queue/engine';
import { metrics, registry } from '@claimline/telemetry/metrics';
import type { UsageLog } from '@claimline/validations';
import { z } from 'zod';

/** A store that does not answer a ping within this counts as down. */
const PING_MS = 2000;
/** How long metrics wait for what the tables say: a monitor asks most when they are slow to answer. */
const COUNT_MS = 250;
/** Who is told that a process cannot answer may look again after this. */
const RETRY_AFTER = { 'Retry-After': '1' };

const checkSchema = z.object({ status: z.enum(['up', 'down']), latency_ms: z.number() });
const healthSchema = z
  .object({
    status: z.enum(['healthy', 'unhealthy']),
    timestamp: z.iso.datetime(),
    uptime_seconds: z.number(),
    error: z.string().optional(),
    checks: z.object({
      postgres: checkSchema,
      queue: checkSchema,
      validation_log: z.object({
        backlog: z.int().describe('Validations that this process answered and has not written yet.'),
      }),
    }),
  })
  .meta({ id: 'Health' });

type House = {
  sql: Sql;
  engine: Engine;
  usageLog: UsageLog;
  isReady: () => boolean;
  /** Brings up to date what the metrics say of the tables. */
  count: () => Promise<void>;
};

/** Health, liveness, readiness and metrics. */
export function mountOperations(router: Router, { sql, engine, usageLog, isReady, count }: House) {
  const lookAtPostgres = createLook(async () => {
    const [row] = await sql`select current_setting('transaction_read_only')::boolean as only_reads`;
    if (row?.only_reads) throw new Error('Postgres only reads');
  });
  const lookAtQueue = createLook(() => engine.ping());
  const lookAtCounts = together(count);
  router.add(
    {
      method: 'get',
      path: '/health',
      id: 'health',
      tag: 'Operations',
      summary: 'Whether the stores answer, for people and monitors',
      access: 'public',
      isVital: true,
      answers: {
        200: { description: 'Healthy', schema: healthSchema },
        503: { description: 'A store does not answer', schema: healthSchema },
      },
    },
    async ({ c }) => {
      const [postgres, queue] = await Promise.all([lookAtPostgres(), lookAtQueue()]);
      const isHealthy = postgres.status === 'up' && queue.status === 'up';
      const error = postgres.status === 'down' ? 'database connection failed' : 'queue connection failed';
      const body = {
        status: isHealthy ? 'healthy' : 'unhealthy',
        timestamp: new Date().toISOString(),
        uptime_seconds: Math.round(process.uptime() * 1000) / 1000,
        ...(!isHealthy && { error }),
        checks: { postgres, queue, validation_log: { backlog: usageLog.backlog() } },
      };
      return isHealthy ? reply(c, 200, body) : reply(c, 503, body, RETRY_AFTER);
    },
  );

  router.add(
    {
      method: 'get',
      path: '/livez',
      id: 'livez',
      tag: 'Operations',
      summary: 'Whether the process turns',
      description: 'Looks at nothing else: a store that is away is no reason to start the process again.',
      access: 'public',
      isVital: true,
      answers: { 200: { description: 'It does', schema: z.object({ status: z.literal('alive') }) } },
    },
    ({ c }) => reply(c, 200, { status: 'alive' }),
  );

  router.add(
    {
      method: 'get',
      path: '/readyz',
      id: 'readyz',
      tag: 'Operations',
      summary: 'Whether this process takes requests',
      description: 'A store that is away is no reason to send them elsewhere: the others miss it too.',
      access: 'public',
      isVital: true,
      answers: {
        200: { description: 'It does', schema: z.object({ status: z.literal('ready') }) },
        503: { description: 'It is stopping', schema: z.object({ status: z.literal('stopping') }) },
      },
    },
    ({ c }) =>
      isReady() ? reply(c, 200, { status: 'ready' }) : reply(c, 503, { status: 'stopping' }, RETRY_AFTER),
  );

  router.add(
    {
      method: 'get',
      path: '/metrics',
      id: 'metrics',
      tag: 'Operations',
      summary: 'Prometheus metrics of this process',
      access: 'keyed',
      isVital: true,
      answers: { 200: { description: 'Metrics', schema: z.string(), type: 'text/plain' } },
    },
    async ({ c }) => {
      // With Postgres away the figures of the process are told all the same, and when the others were counted.
      await withDeadline('counting', COUNT_MS, lookAtCounts()).catch(() => {});
      metrics.validationLogBacklog.set(usageLog.backlog());
      return replyRaw(c, 200, await registry.metrics(), {
        'Content-Type': registry.contentType,
        'Cache-Control': 'no-store',
      });
    },
  );
}

/** Looks at a store. */
function createLook(ping: () => PromiseLike<unknown>) {
  return together(() => check(ping()));
}

/** Whoever asks during a look is told what it finds: a crowd of monitors costs one. */
function together<T>(look: () => Promise<T>): () => Promise<T> {
  let looking: Promise<T> | undefined;
  return () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
}

async function check(ping: PromiseLike<unknown>) {
  const startedMs = performance.now();
  const isUp = await withDeadline('ping', PING_MS, Promise.resolve(ping)).then(
    () => true,
    () => false,
  );
  return {
    status: isUp ? 'up' : 'down',
    latency_ms: Math.round((performance.now() - startedMs) * 100) / 100,
  };
}
