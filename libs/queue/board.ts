import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import type { serveStatic } from '@hono/node-server/serve-static';
import type { Hono } from 'hono';
import type { Engine } from './engine.ts';

export const boardLimits = {
  /** Lanes shown, the most lately wanted first. */
  lanesMost: 200,
  /** Least time between two looks at the roster. */
  refreshMs: 1000,
} as const;

/**
 * Bull Board over the lanes that were wanted lately, those that are open marked so. It has no
 * access control of its own: whoever mounts it brings that.
 *
 * @param basePath where it is mounted, such as /queues
 * @param isWritable operators may retry, pause, clean; otherwise everything is read-only
 * @returns the pages; `refresh`, to be awaited before each request; and `wantAll`, which opens the
 * lanes shown, for jobs that were retried by hand
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
}): { pages: Hono; refresh: () => Promise<void>; wantAll: () => Promise<void> } {
  const server = new HonoAdapter(staticFiles);
  server.setBasePath(basePath);
  const board = createBullBoard({
    queues: [],
    serverAdapter: server,
    options: { uiConfig: { boardTitle: 'Claimline lanes' } },
  });
  let lanes: Awaited<ReturnType<Engine['roster']['list']>> = [];
  let refreshedMs = Number.NEGATIVE_INFINITY;

  return {
    pages: server.registerPlugin() as unknown as Hono,

    async refresh() {
      if (performance.now() - refreshedMs < boardLimits.refreshMs) return;
      refreshedMs = performance.now();
      lanes = await engine.roster.list(boardLimits.lanesMost);
      board.replaceQueues(
        lanes.map(
          ({ lane, label, open }) =>
            new BullMQAdapter(engine.queue(lane), {
              readOnlyMode: !isWritable,
              displayName: label,
              description: `${open ? 'open' : 'closed'} lane ${lane}`,
            }),
        ),
      );
    },

    async wantAll() {
      for (const { lane, label } of lanes) await engine.roster.want(lane, label);
    },
  };
}
