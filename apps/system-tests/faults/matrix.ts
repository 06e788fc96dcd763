import { workerKilled } from './f01-worker-killed.ts';
import { apiKilled } from './f02-api-killed.ts';
import { workerFrozen } from './f03-worker-frozen.ts';
import { redisLost } from './f04-redis-lost.ts';
import { postgresLost } from './f05-postgres-lost.ts';
import { connectionCut } from './f06-connection-cut.ts';
import { jobsTwice } from './f07-jobs-twice.ts';
import { overload } from './f08-overload.ts';
import { nonsense } from './f09-nonsense.ts';
import { rudeReceivers } from './f10-rude-receivers.ts';
import { rollingRestart } from './f11-rolling-restart.ts';
import { wrongClocks } from './f12-wrong-clocks.ts';
import { operatorMeddles } from './f13-operator-meddles.ts';
import { oneAfterAnother } from './f15-one-after-another.ts';
import { toldThroughKills } from './f16-told-through-kills.ts';
import { seatsUnderFaults } from './f17-seats-under-faults.ts';
import type { Fault } from './fault.ts';

/** Every fault; those that share a stack stand together. */
export const matrix: readonly Fault[] = [
  workerKilled,
  apiKilled,
  workerFrozen,
  redisLost,
  postgresLost,
  connectionCut,
  jobsTwice,
  nonsense,
  rollingRestart,
  operatorMeddles,
  oneAfterAnother,
  seatsUnderFaults,
  overload,
  wrongClocks,
  rudeReceivers,
  toldThroughKills,
];
