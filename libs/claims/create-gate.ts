import type { Engine } from '@claimline/queue/engine';
import type { Gate } from './gate.ts';
import { createLocalGate } from './gate-local.ts';
import { createRedisGate } from './gate-redis.ts';

/** The gate that goes with the engine: beside the queue in Redis, or in this process's memory. */
export function createGate(engine: Engine): Gate {
  return engine.scripts ? createRedisGate(engine.scripts) : createLocalGate();
}
