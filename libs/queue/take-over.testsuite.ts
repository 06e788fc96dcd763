import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'vitest';
import { killChild } from './testing.ts';
import { laneOptions, newLane, type World } from './testing-lanes.ts';

/** How soon they are is measured elsewhere, under load and beside nothing else: `npm run faults`. */
const takenOverWithinMs = 30_000;

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
  test('the jobs of a process that is killed are taken over, once', {
    timeout: 60_000,
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
      const taken: string[] = [];
      const options = laneOptions({ handle: async job => void taken.push(job.id) });
      const opened = working.engine.openLane(lane, options);
      await expect.poll(() => taken, { timeout: 5000 }).toEqual(['c']);
      await killChild(child);
      await expect.poll(() => taken.length, { timeout: takenOverWithinMs, interval: 20 }).toBe(3);
      expect([...taken].sort()).toEqual(['a', 'b', 'c']);
      await expect.poll(() => adding.engine.countUndecided(lane), { timeout: 5000 }).toBe(0);
      await opened.close();
      expect(options.dead).toEqual([]);
      expect((await adding.engine.queue(lane).getJob('a'))?.attemptsMade).toBe(1);
    } finally {
      await killChild(child);
    }
  });
}
