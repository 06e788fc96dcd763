import { problemResponse } from '@claimline/http/problem';
import { type Env, header, requestIdOf } from '@claimline/http/scope';
import { AppError } from '@claimline/kernel/error';
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

/**
 * Bull Board, which has no access control of its own: behind the operator key, safe from other
 * sites' pages, and read-only unless switched on.
 */
export function createBoardApp({
  engine,
  requireKey,
  isWritable,
}: {
  engine: Engine;
  requireKey: (c: Context<Env>) => void;
  isWritable: boolean;
}): Hono<Env> {
  const app = new Hono<Env>();
  const board = createBoard({ engine, basePath: BASE, isWritable, staticFiles: serveStatic });

  for (const path of [BASE, `${BASE}/*`]) {
    app.use(path, async (c, next) => {
      try {
        requireKey(c);
        const isWrite = !['GET', 'HEAD'].includes(c.req.method);
        if (isWrite && !isWritable) throw new AppError('forbidden', 'the board is read-only on this server');
        if (isWrite && !isOwnPage(c))
          throw new AppError('forbidden', 'only the board itself may ask for that');
        await board.refresh().catch(cause => {
          throw new AppError('unavailable', 'the queue cannot be reached, try again', {
            retryAfterSeconds: 1,
            cause,
          });
        });
        await next();
        // Who retries a job by hand wants its lane open, which nobody may have at this moment.
        if (isWrite) await board.want(laneIn(c.req.path));
        c.header('X-Request-Id', requestIdOf(c));
      } catch (error) {
        return refuse(c, error);
      }
      return undefined;
    });
    app.use(path, secureHeaders({ xFrameOptions: 'DENY', contentSecurityPolicy: pagePolicy }));
  }
  app.route(BASE, board.pages as never);
  app.notFound(c => problemResponse(c, new AppError('not_found', 'there is nothing at this address')));
  app.onError((error, c) => refuse(c, error));
  return app;
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
