import { problemResponse } from '@claimline/http/problem';
import type { Around } from '@claimline/http/router';
import { type Env, header, requestIdOf } from '@claimline/http/scope';
import { AppError } from '@claimline/kernel/error';
import { isQueueAway } from '@claimline/queue/away';
import { createBoard } from '@claimline/queue/board';
import type { Engine } from '@claimline/queue/engine';
import { serveStatic } from '@hono/node-server/serve-static';
import { type Context, Hono } from 'hono';
import { secureHeaders } from 'hono/secure-headers';

/** Where the board lives. */
export const BASE = '/queues';

/** The board's scripts and styles are its own; it has styles within the page, and a `base`. */
const pagePolicy = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:'],
  fontSrc: ["'self'", 'data:'],
  connectSrc: ["'self'"],
  manifestSrc: ["'self'"],
  baseUri: ["'self'"],
  frameAncestors: ["'none'"],
};

/** Files whose names change with what is in them; the key is needed for them too. */
const ASSETS = `${BASE}/static/`;

/**
 * Bull Board, which has no access control of its own: behind the operator key, safe from other
 * sites' pages, and read-only unless switched on.
 *
 * @param observe told after every answer but those of assets, so that what operators do is logged
 */
export function createBoardApp({
  engine,
  requireKey,
  isWritable,
  observe,
}: {
  engine: Engine;
  requireKey: (c: Context<Env>) => void;
  isWritable: boolean;
  observe?: Around['observe'];
}): Hono<Env> {
  const app = new Hono<Env>();
  const board = createBoard({ engine, basePath: BASE, isWritable, staticFiles: serveStatic });

  /** Throws when the request may not go on to the board. */
  function assertAllowed(c: Context<Env>, isWrite: boolean) {
    requireKey(c);
    assertReadable(c.req.url);
    if (!isWrite) return;
    if (!isWritable) throw new AppError('forbidden', 'the board is read-only on this server');
    if (!isOwnPage(c)) throw new AppError('forbidden', 'only the board itself may ask for that');
  }

  async function around(c: Context<Env>, next: () => Promise<void>) {
    const startedMs = performance.now();
    const isWrite = !['GET', 'HEAD'].includes(c.req.method);
    let failure: unknown;
    try {
      assertAllowed(c, isWrite);
      await board.refresh().catch(awayError);
      await next();
      // What the board's own pages throw they answer in a text of their own, whatever it is.
      if (c.error) throw isQueueAway(c.error) ? awayProblem(c.error) : c.error;
      // Who retries a job by hand wants its lane open, which nobody may have at this moment.
      if (isWrite && c.res.ok) await board.want(laneIn(c.req.path)).catch(awayError);
    } catch (error) {
      failure = error;
      c.res = refuse(c, error);
    }
    const isAsset = c.req.path.startsWith(ASSETS) && c.res.ok;
    c.res.headers.set('Cache-Control', isAsset ? 'private, max-age=86400' : 'no-store');
    c.res.headers.set('X-Request-Id', requestIdOf(c));
    if (!isAsset) observe?.(c, BASE, c.res, startedMs, failure);
  }

  for (const path of [BASE, `${BASE}/*`]) {
    app.use(path, around);
    app.use(path, secureHeaders({ xFrameOptions: 'DENY', contentSecurityPolicy: pagePolicy }));
  }
  app.route(BASE, board.pages as never);
  app.notFound(c => problemResponse(c, new AppError('not_found', 'there is nothing at this address')));
  app.onError((error, c) => refuse(c, error));
  return app;
}

/** Bull Board divides its messages by NUL, and decodes what it is sent without a doubt: it breaks on either. */
function assertReadable(url: string) {
  if (url.includes('%00')) throw new AppError('invalid_request', 'the address contains NUL');
  try {
    decodeURIComponent(url);
  } catch {
    throw new AppError('invalid_request', 'the address is not percent-encoded UTF-8');
  }
}

function awayError(cause: unknown): never {
  throw awayProblem(cause);
}

function awayProblem(cause: unknown): AppError {
  return new AppError('unavailable', 'the queue cannot be reached, try again', {
    retryAfterSeconds: 1,
    cause,
  });
}

function refuse(c: Context<Env>, error: unknown): Response {
  const response = problemResponse(c, error);
  if (response.status === 401 && header(c, 'accept')?.includes('text/html'))
    response.headers.set('WWW-Authenticate', 'Basic realm="Claimline operators", charset="UTF-8"');
  return response;
}

/**
 * Whether a write comes from the board's own page. A browser says where it comes from, and no page
 * can make it lie; who says nothing is no browser, unless it is one so old that it sends a form.
 */
function isOwnPage(c: Context<Env>): boolean {
  const site = header(c, 'sec-fetch-site');
  if (site !== undefined) return site === 'same-origin';
  const origin = header(c, 'origin');
  if (origin !== undefined) return URL.canParse(origin) && new URL(origin).host === header(c, 'host');
  return header(c, 'content-type')?.startsWith('application/json') ?? false;
}

/** The lane that one of the board's calls is about, or null for a call about all lanes. */
function laneIn(path: string): string | null {
  const [, name] = /^\/queues\/api\/queues\/([^/]+)\//.exec(path) ?? [];
  if (name === undefined) return null;
  try {
    return decodeURIComponent(name);
  } catch {
    return '';
  }
}
