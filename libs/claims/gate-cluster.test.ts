import { describeWithRedis, openTestEngine, startTestStores } from '@claimline/queue/testing';
import { afterAll, beforeAll } from 'vitest';
import { createGate } from './create-gate.ts';
import { gateSuite } from './gate.testsuite.ts';
import type { Gate } from './gate.ts';

describeWithRedis('the gate in a Redis Cluster', () => {
  let stop = async () => {};
  let gate: Gate;
  beforeAll(async () => {
    const stores = await startTestStores('cluster');
    const opened = await openTestEngine(stores, 'accepting');
    gate = createGate(opened.engine);
    stop = async () => {
      await opened.close();
      await stores.stop();
    };
  });
  afterAll(() => stop());
  gateSuite(() => gate);
});
