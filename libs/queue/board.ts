import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import type { serveStatic } from '@hono/node-server/serve-static';
import type { JobType } from 'bullmq';
import { Hono } from 'hono';
import { isQueueAway } from './away.ts';
import type { Engine } from './engine.ts';

export const boardLimits = {
  /** Lanes shown, the most lately wanted first. */
  lanesMost: 200,
  /** Least time between two looks at the roster. */
  refreshMs: 1000,
  /** Characters of a coupon's name in the menu, and of its id. */
  nameMost: 40,
  idShown: 8,
} as const;

/** The one thing the page would fetch from another host. Its style sheet names other fonts as well. */
const FOREIGN_FONTS = /<link[^>]+fonts\.googleapis\.com[^>]*>/g;

/** The board's pages, and what has to happen around each request to them. */
export type Board = {
  pages: Hono;
  /** To be awaited before each request: shows the lanes as the roster has them now. */
  refresh(): Promise<void>;
  /** Opens the lane of that shown name, or all that are shown: their jobs were retried by hand. */
  want(name: string | null): Promise<void>;
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
    if (error.constructor !== Error || isQueueAway(error)) throw error;
    return { status: 409, body: { error: error.message } };
  });
  let lanes = new Map<string, ListedLane>();
  let refreshed: Promise<void> = Promise.resolve();
  let refreshedMs = Number.NEGATIVE_INFINITY;

  async function refresh() {
    const listed = await engine.roster.list(boardLimits.lanesMost);
    lanes = new Map(listed.map(lane => [shownName(lane), lane]));
    board.replaceQueues(listed.map(lane => showLane(engine, lane, isWritable)));
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
      for (const [shown, { lane, label }] of lanes)
        if (name === null || name === shown) await engine.roster.want(lane, label);
    },
  };
}

type ListedLane = Awaited<ReturnType<Engine['roster']['list']>>[number];

function showLane(engine: Engine, listed: ListedLane, isWritable: boolean): BullMQAdapter {
  const queue = engine.queue(listed.lane);
  const adapter = new BullMQAdapter(queue, {
    readOnlyMode: !isWritable,
    displayName: `${listed.open ? '●' : '○'} ${listed.label}`,
    description: `${listed.open ? 'Open' : 'Closed'} lane ${listed.lane}`,
  });
  // The menu shows this name, which is also the address; the queue's own is an id that says nothing.
  adapter.getName = () => shownName(listed);
  // On Postgres the jobs of a paused lane are counted apart, where the board does not look.
  adapter.getJobCounts = async () => {
    const [counts, { paused = 0 }] = await Promise.all([
      queue.getJobCounts(),
      queue.getJobCounts('paused' as JobType),
    ]);
    return { ...counts, waiting: (counts.waiting ?? 0) + paused } as never;
  };
  return adapter;
}

/** The label with what breaks an address taken out, and enough of the lane's id to be its own. */
function shownName({ lane, label }: ListedLane): string {
  const readable = label
    .replaceAll(/[^\p{L}\p{N}]+/gu, '-')
    .slice(0, boardLimits.nameMost)
    .toWellFormed();
  return `${readable}~${lane.replace(/^.*\./, '').slice(0, boardLimits.idShown)}`;
}
