import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crowdedHostSuite, hostSuite } from './host.testsuite.ts';
import { jobSuite } from './jobs.testsuite.ts';
import { listSuite } from './list.testsuite.ts';
import { rosterSuite } from './roster.testsuite.ts';
import { takeOverSuite } from './take-over.testsuite.ts';
import { describeOnEngine, type EngineKind, openTestEngine, startTestStores } from './testing.ts';
import type { World } from './testing-lanes.ts';

/** What every engine must do: one interface, one suite. `own` is what one engine alone must do. */
export function queueSuite(kind: EngineKind, own: (world: () => World) => void = () => {}): void {
  describeOnEngine(kind, () => {
    let world: World;
    beforeAll(async () => {
      const stores = await startTestStores(kind);
      world = {
        stores,
        adding: await openTestEngine(stores, 'accepting'),
        working: await openTestEngine(stores, 'working'),
      };
    });
    afterAll(async () => {
      await world.adding.close();
      await world.working.close();
      await world.stores.stop();
    });

    jobSuite(() => world);
    listSuite(() => world);
    rosterSuite(() => world);
    crowdedHostSuite(() => world);
    own(() => world);
    // The slow ones wait for leases, locks and quiet times as they are, so they wait together. A cluster counts time as
    // a single Redis does: the system tests kill its workers.
    describe.skipIf(kind === 'cluster').concurrent('in time', () => {
      takeOverSuite(() => world);
      hostSuite(() => world);
    });
    test('nothing was complained of', () => {
      expect([...world.adding.errors, ...world.working.errors]).toEqual([]);
    });
  });
}
