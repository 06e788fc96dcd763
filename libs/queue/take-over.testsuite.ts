import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'vitest';
import { killChild } from './testing.ts';
import { laneOptions, newLane, type World } from './testing-lanes.ts';

/** The job of a process that is killed is taken over within this (targets P9). */
const takeOverMostMs = 10_000;

/** A process that opens a lane, says what it took, and never finishes it. */
const holder = `
  const [openModule, redisUrl, databaseUrl, lane] = process.argv.slice(1);
  const { openEngine } = await import(openModule);
  const onError = error => console.error(error);
  const engine = await openEngine({
    redisUrl: redisUrl || undefined, databaseUrl, sql: null, changes: null, side: 'working', connectionsMost: 5, onError,
  });
  engine.openLane(lane, {
    inHand: 2,
    handle: job => { console.log('took ' + job.id); return new Promise(() => {}); },
    onDead: async () => {},
    onError,
  });
`;

export function takeOverSuite(world: () => World): void {
  test('the jobs of a process that is killed are taken over within 10 s, once', {
    timeout: 30_000,
  }, async ({ expect }) => {
    const { adding, working, stores } = world();
    const lane = newLane();
    for (const id of ['a', 'b', 'c']) await adding.engine.add(lane, { id, name: 'c', data: id });
    const child = spawn(
      process.execPath,
      [
        ...['--import', 'tsx', '--input-type=module', '--eval', holder, '--'],
        new URL('./open.ts', import.meta.url).href,
        ...[stores.redis?.url ?? '', stores.databaseUrl, lane],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      let said = '';
      while (!/took b/.test(said)) said += String((await once(child.stdout, 'data'))[0]);
      const taken: { id: string; atMs: number }[] = [];
      const options = laneOptions({
        handle: async job => void taken.push({ id: job.id, atMs: performance.now() }),
      });
      const opened = working.engine.openLane(lane, options);
      await expect.poll(() => taken.map(one => one.id), { timeout: 5000 }).toEqual(['c']);
      const killedMs = performance.now();
      await killChild(child);
      await expect.poll(() => taken.length, { timeout: takeOverMostMs + 5000, interval: 20 }).toBe(3);
      expect(taken.map(one => one.id).sort()).toEqual(['a', 'b', 'c']);
      expect(Math.max(...taken.map(one => one.atMs)) - killedMs).toBeLessThan(takeOverMostMs);
      await expect.poll(() => adding.engine.countUndecided(lane), { timeout: 5000 }).toBe(0);
      await opened.close();
      expect(options.dead).toEqual([]);
      expect((await adding.engine.queue(lane).getJob('a'))?.attemptsMade).toBe(1);
    } finally {
      await killChild(child);
    }
  });
}
