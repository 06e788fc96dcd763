import { problemResponse } from '@claimline/http/problem';
import { type Env, header } from '@claimline/http/scope';
import { AppError } from '@claimline/kernel/error';
import { createBoard } from '@claimline/queue/board';
import type { Engine } from '@claimline/queue/engine';
import { serveStatic } from '@hono/node-server/serve-static';
import type { Context, Hono } from 'hono';
import { csrf } from 'hono/csrf';
import { secureHeaders } from 'hono/secure-headers';

const BASE = '/queues';

/**
 * Bull Board, which has no access control of its own: behind the operator key, safe from other
 * sites' forms, and read-only unless switched on.
 */
export function mountBoard(
  app: Hono<Env>,
  {
    engine,
    requireKey,
    isWritable,
  }: { engine: Engine; requireKey: (c: Context<Env>) => void; isWritable: boolean },
) {
  const board = createBoard({ engine, basePath: BASE, isWritable, staticFiles: serveStatic });

  // The board's own middlewares read `crossorigin` assets and inline styles: only framing is forbidden.
  const guards = [
    secureHeaders({ crossOriginResourcePolicy: 'same-origin', xFrameOptions: 'DENY' }),
    csrf({ origin: (origin, c) => URL.canParse(origin) && new URL(origin).host === c.req.header('host') }),
  ];
  for (const path of [BASE, `${BASE}/*`]) {
    app.use(path, async (c, next) => {
      try {
        requireKey(c);
      } catch (error) {
        const response = problemResponse(c, error);
        if (header(c, 'accept')?.includes('text/html'))
          response.headers.set('WWW-Authenticate', 'Basic realm="Claimline operators", charset="UTF-8"');
        return response;
      }
      if (!isWritable && !['GET', 'HEAD'].includes(c.req.method))
        return problemResponse(c, new AppError('forbidden', 'the board is read-only on this server'));
      await board.refresh();
      await next();
      // Who retries a job by hand wants its lane open, which nobody may have at this moment.
      if (c.req.method !== 'GET') await board.wantAll();
      return undefined;
    });
    for (const guard of guards) app.use(path, guard);
  }
  app.route(BASE, board.pages as never);
}
