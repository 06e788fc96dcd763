import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import type { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import type { Engine } from './engine.ts';

export const boardLimits = {
  /** Lanes shown, the most lately wanted first. */
  lanesMost: 200,
  /** Least time between two looks at the roster. */
  refreshMs: 1000,
} as const;

/** The one thing the page would fetch from another host. Its style sheet names other fonts as well. */
const FOREIGN_FONTS = /<link[^>]+fonts\.googleapis\.com[^>]*>/g;

/** The board's pages, and what has to happen around each request to them. */
export type Board = {
  pages: Hono;
  /** To be awaited before each request: shows the lanes as the roster has them now. */
  refresh(): Promise<void>;
  /** Opens a lane whose jobs were retried by hand; a name that is not shown is ignored. */
  want(lane: string): Promise<void>;
};

/**
 * Bull Board over the lanes that were wanted lately, those that are open marked so. It has no
 * access control of its own: whoever mounts it brings that.
 *
 * @param basePath where it is mounted, such as /queues
 * @param isWritable operators may retry, pause, clean; otherwise everything is read-only
 */
export function createBoard({
  engine,
  basePath,
  isWritable,
  staticFiles,
}: {
  engine: Engine;
  basePath: string;
  isWritable: boolean;
  staticFiles: typeof serveStatic;
}): Board {
  const server = new HonoAdapter(staticFiles);
  server.setBasePath(basePath);
  const board = createBullBoard({
    queues: [],
    serverAdapter: server,
    options: {
      // A lane that nobody has open is no fault, so "no workers" would be a false alarm.
      uiConfig: { boardTitle: 'Claimline lanes', hideDocsLink: true, showWorkers: false, sortQueues: false },
    },
  });
  server.setErrorHandler(error => {
    // BullMQ says in a plain sentence what cannot be done; any other kind of error comes from the
    // store or from a mistake, and is answered by whoever mounts the board.
    if (error.constructor !== Error) throw error;
    return { status: 409, body: { error: error.message } };
  });
  let lanes: Awaited<ReturnType<Engine['roster']['list']>> = [];
  let refreshed: Promise<void> = Promise.resolve();
  let refreshedMs = Number.NEGATIVE_INFINITY;

  async function refresh() {
    lanes = await engine.roster.list(boardLimits.lanesMost);
    board.replaceQueues(
      lanes.map(
        ({ lane, label, open }) =>
          new BullMQAdapter(engine.queue(lane), {
            readOnlyMode: !isWritable,
            displayName: `${open ? '●' : '○'} ${label}`,
            description: `${open ? 'Open' : 'Closed'} lane ${lane}`,
          }),
      ),
    );
  }

  const pages = new Hono();
  pages.use(async (c, next) => {
    await next();
    if (!c.res.headers.get('content-type')?.startsWith('text/html')) return;
    const html = (await c.res.text()).replace(FOREIGN_FONTS, '');
    c.res = new Response(html, c.res);
  });
  pages.route('/', server.registerPlugin() as unknown as Hono);

  return {
    pages,
    refresh() {
      if (performance.now() - refreshedMs < boardLimits.refreshMs) return refreshed;
      refreshedMs = performance.now();
      refreshed = refresh().catch(error => {
        refreshedMs = Number.NEGATIVE_INFINITY;
        throw error;
      });
      return refreshed;
    },
    async want(name) {
      const found = lanes.find(({ lane }) => lane === name);
      if (found) await engine.roster.want(found.lane, found.label);
    },
  };
}
