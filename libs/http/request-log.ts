import type { Logger } from '@claimline/telemetry/log';
import { metrics } from '@claimline/telemetry/metrics';
import type { Context } from 'hono';
import { type Env, requestIdOf } from './scope.ts';

export const requestLogLimits = {
  /** Lines a second; beyond it requests are counted, and the count is logged. A 500 is always logged. */
  linesPerSecond: 200,
} as const;

/**
 * Logs a line a request and times it by route. A stampede is not written out line by line: a
 * million lines of "sold out" tell nobody anything that the count does not.
 */
export function createRequestLog(log: Logger) {
  let lines = 0;
  let skipped = 0;
  const timers = new Map<string, { observe(seconds: number): void }>();
  const timer = setInterval(() => {
    if (skipped > 0) log.info({ skipped }, 'requests not logged');
    lines = 0;
    skipped = 0;
  }, 1000).unref();

  function observe(c: Context<Env>, route: string, response: Response, startedMs: number, error: unknown) {
    const { status } = response;
    const tookMs = performance.now() - startedMs;
    const key = `${c.req.method} ${status} ${route}`;
    let histogram = timers.get(key);
    if (!histogram) {
      histogram = metrics.httpSeconds.labels({ route, method: c.req.method, status: String(status) });
      timers.set(key, histogram);
    }
    histogram.observe(tookMs / 1000);
    // Being told to come again is no error of ours.
    const isError = status >= 500 && !(status === 503 && error === undefined);
    if (isError) metrics.errors.inc({ where: 'http' });
    // Nor is a store that is away one of each of the thousands who ask meanwhile.
    if ((status < 500 || status === 503) && lines++ >= requestLogLimits.linesPerSecond) {
      skipped++;
      return;
    }
    const line = {
      request_id: requestIdOf(c),
      method: c.req.method,
      path: pathToLog(route, c.req.path),
      status,
      duration_ms: Math.round(tookMs * 100) / 100,
    };
    if (isError)
      log.error({ ...line, err: error instanceof Error && error.cause ? error.cause : error }, 'request');
    else log.info(line, 'request');
  }

  return { observe, stop: () => clearInterval(timer) };
}

/** Parameters of paths that are a secret: who knows a code may use it, who knows the others may read what they lead to. */
const SECRET = /^\{(?:code|ticket|reference)\}$/;
/** Who knows the id of a reservation may release and book it as well. */
const RESERVATION = 'reservations';

/** The path as it was asked for, but with the names of secrets in their place. */
function pathToLog(route: string, path: string): string {
  const parts = route.split('/');
  const secrets = parts.map(
    (part, i) => SECRET.test(part) || (part === '{id}' && parts[i - 1] === RESERVATION),
  );
  if (!secrets.includes(true)) return path;
  const asked = path.split('/');
  return parts.map((part, i) => (secrets[i] ? part : asked[i])).join('/');
}
