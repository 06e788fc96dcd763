import { isKey, isLoopback } from '@claimline/http/access';
import type { Serving } from '@claimline/http/serve';
import type { Host } from '@claimline/queue/host';
import { registry } from '@claimline/telemetry/metrics';
import type { Config } from '../config.ts';
import { listen } from '../process.ts';

/** A worker whose last round with the queue store is older than this is not ready. */
const ROUND_AGE_MS = 10_000;

/** A worker's own port for probes and Prometheus, where one is configured. It is not ready before there is a host. */
export async function servePort({
  config,
  host,
  onLanes,
}: {
  config: Config;
  host: () => Host | undefined;
  onLanes: (count: number) => void;
}): Promise<Serving | undefined> {
  if (config.WORKER_PORT === 0) return undefined;
  const { OPERATOR_KEY: key } = config;
  if (!key && !isLoopback(config.HOST))
    throw new Error(`HOST is ${config.HOST}, which others can reach: set OPERATOR_KEY, or WORKER_PORT=0`);
  return listen(
    async request => {
      const { pathname } = new URL(request.url);
      if (pathname === '/livez') return Response.json({ status: 'alive' });
      if (pathname === '/readyz') {
        const roundMs = host()?.lastRoundMs ?? Number.NEGATIVE_INFINITY;
        const isReady = performance.now() - roundMs < ROUND_AGE_MS;
        return Response.json(
          { status: isReady ? 'ready' : 'away from the queue' },
          { status: isReady ? 200 : 503 },
        );
      }
      if (pathname === '/metrics') {
        if (key && !isKey(request.headers.get('authorization') ?? undefined, key))
          return Response.json({ error: 'an operator key is needed' }, { status: 401 });
        onLanes(host()?.lanes.length ?? 0);
        return new Response(await registry.metrics(), { headers: { 'Content-Type': registry.contentType } });
      }
      return new Response('not found', { status: 404 });
    },
    config.HOST,
    config.WORKER_PORT,
    'WORKER_PORT',
  );
}
