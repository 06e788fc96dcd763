import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import { pause } from '@claimline/kernel/backoff';
import type { Engine, OpenLane } from '@claimline/queue/engine';
import { metrics } from '@claimline/telemetry/metrics';
import type { AllowList } from './allow-list.ts';
import { createAttempts } from './attempts.ts';
import { type DeliveryResult, deliver } from './deliver.ts';
import { openDeliveryLane } from './delivery-lane.ts';
import type { Schedule } from './judge.ts';
import { laneOf } from './lane-name.ts';
import { type DeliveryJob, queueDue } from './queue-due.ts';
import { readSeal } from './read-seal.ts';
import { relayOutbox } from './relay.ts';
import { renewSecrets } from './renew-secrets.ts';
import { createRounds } from './rounds.ts';
import { createSender } from './send.ts';
import { exhaustDisabled } from './sweep.ts';

export const deliveriesLimits = {
  /** How often it is looked for what is due, for what a lost notification or a dead process left, and for what is to end. */
  sweepMs: 1000,
  /** When the process stops, attempts under way have so long to end by themselves. */
  graceMs: 3000,
} as const;

/** The channel that says that the outbox is not empty. */
const OUTBOX_CHANNEL = 'claimline_outbox';

/** What an operator may turn. */
export type DeliverySettings = {
  schedule: Schedule;
  /** Attempts under way to one endpoint. */
  concurrency: number;
  /** How long an attempt may take. */
  totalMs: number;
  /** After so many seconds of nothing but failures an endpoint is disabled. */
  disableAfterS: number;
};

/** The part of a worker process that delivers. */
export type Deliveries = {
  /** Opens a lane of deliveries, or answers null for somebody else's. */
  open(queue: string): OpenLane | null;
  /** Whether a lane may close: with jobs in it, it would be left with nobody until they count as lost. Null for somebody else's. */
  isDone(queue: string): Promise<boolean | null>;
  /** Starts nothing new; attempts under way get a moment to end and are then broken off, to be made again elsewhere. */
  stop(): Promise<void>;
};

/**
 * Starts what brings messages from the outbox to their receivers: the relay, which is woken by Postgres, and
 * the sweeps, which find what is due and end what has no receiver any more. Any number of processes may do so at once.
 */
export async function startDeliveries(house: {
  sql: Sql;
  changes: Changes;
  engine: Engine;
  secretKeys: Buffer[];
  allow: AllowList;
  settings: DeliverySettings;
  onDisabled: (endpointId: string, reason: string) => void;
  onError: (error: Error) => void;
}): Promise<Deliveries> {
  const { sql, changes, engine, settings, onError } = house;
  const stopping = new AbortController();
  const { signal } = stopping;
  const sender = createSender({ allow: house.allow, totalMs: settings.totalMs });
  const seal = await readSeal(sql, house.secretKeys);
  await renewSecrets(sql, house.secretKeys);
  const attempts = createAttempts({
    sql,
    schedule: settings.schedule,
    disableAfterS: settings.disableAfterS,
    signal,
    onDisabled(endpointId, reason) {
      metrics.webhookDisabled.inc({ reason });
      house.onDisabled(endpointId, reason);
    },
  });

  /** Lanes that may have something due; null stands for all. */
  let wanted: Set<string> | null = null;
  const due = createRounds(async () => {
    const lanes = wanted && [...wanted];
    wanted = new Set();
    await queueDue({ sql, engine, concurrency: settings.concurrency }, lanes, signal);
  }, onError);
  const wake = (lanes: string[]) => {
    for (const lane of lanes) wanted?.add(lane);
    due.wake();
  };
  const relay = createRounds(() => relayOutbox(sql, { onLanes: wake, signal }), onError);
  // Rounds of their own: an endpoint may leave a million deliveries to end, and the others do not wait for that.
  const endings = createRounds(() => exhaustDisabled(sql, signal), onError);
  const timer = setInterval(() => {
    wanted = null;
    due.wake();
    relay.wake();
    endings.wake();
  }, deliveriesLimits.sweepMs);
  await changes.on(OUTBOX_CHANNEL, relay.wake);
  relay.wake();

  const underWay = new Set<Promise<DeliveryResult>>();
  const { schedule } = settings;
  function track(job: DeliveryJob): Promise<DeliveryResult> {
    const attempt = deliver(job, { attempts, sender, seal, schedule, signal });
    underWay.add(attempt);
    const forget = () => underWay.delete(attempt);
    attempt.then(forget, forget);
    return attempt;
  }

  return {
    open(queue) {
      const lane = laneOf(queue);
      if (lane === null) return null;
      return openDeliveryLane(queue, {
        engine,
        attempts,
        concurrency: settings.concurrency,
        deliver: track,
        onRoom: () => wake([lane]),
        onError,
      });
    },
    async isDone(queue) {
      return laneOf(queue) === null ? null : (await engine.countUndecided(queue)) === 0;
    },
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await Promise.all([relay.stop(), due.stop(), endings.stop()]);
      await Promise.race([Promise.allSettled(underWay), pause(deliveriesLimits.graceMs)]);
      await sender.close();
    },
  };
}
