import { randomUUID } from 'node:crypto';
import type { LaneJob, LaneOptions } from './engine.ts';
import type { TestEngine, TestStores } from './testing.ts';

/** Two engines on the same stores, as two processes have them: one adds, one works. */
export type World = { stores: TestStores; adding: TestEngine; working: TestEngine };

/** A lane name that no other test uses. */
export function newLane(kind: 'claims' | 'webhooks' = 'claims'): string {
  return `${kind}.${randomUUID()}`;
}

/** Forgets every lane. */
export async function emptyRoster({ stores, working }: World): Promise<void> {
  if (stores.redis) await stores.redis.command('FLUSHALL');
  else await working.sql`truncate lanes`;
}

/** A lane's options with what a test does not care for. */
export function laneOptions(
  options: Partial<LaneOptions> & Pick<LaneOptions, 'handle'>,
): LaneOptions & { dead: { job: LaneJob; error: Error }[]; errors: Error[] } {
  const dead: { job: LaneJob; error: Error }[] = [];
  const errors: Error[] = [];
  return {
    inHand: 1,
    async onDead(job, error) {
      dead.push({ job, error });
    },
    onError: error => void errors.push(error),
    ...options,
    dead,
    errors,
  };
}

/** A door that holds whoever comes until it is opened the next time. */
export function holding() {
  let held: (() => void)[] = [];
  return {
    wait: () => new Promise<void>(resolve => held.push(resolve)),
    release() {
      const free = held;
      held = [];
      for (const resolve of free) resolve();
    },
    get waiting() {
      return held.length;
    },
  };
}
