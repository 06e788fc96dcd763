import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { pause, withDeadline } from '@claimline/kernel/backoff';
import type { Engine, OpenLane } from './engine.ts';
import { kindOf } from './roster.ts';

export const hostLimits = {
  /** A lane of a dead process is free for others after this. */
  leaseMs: 3000,
  /** How often leases are extended, wanted lanes looked for and quiet lanes closed. */
  roundMs: 1000,
  /** Between rounds, however often somebody says that a lane is wanted: with all lanes taken thousands may a second. */
  gapMs: 50,
  /** A lane that had no job and was not wanted for this long closes. */
  quietMs: 10_000,
  /**
   * The same when every lane of its kind is taken. Above the time for which a producer does not say
   * again that it wants a lane, and the time an `add` may take: nobody's job is left behind.
   */
  crowdedQuietMs: 3500,
  /** A store that does not answer within this when the process stops counts as away. */
  farewellMs: 2000,
} as const;

export type Host = {
  /** Lanes open in this process. */
  readonly lanes: string[];
  /** performance.now() of the last round that reached the store: the process's heartbeat. */
  readonly lastRoundMs: number;
  /**
   * Finishes the jobs in hand, hands the lanes over and stops. With the store away there is nobody to
   * hand anything to: then it only stops, and the jobs are taken over when their locks have run out.
   */
  close(): Promise<void>;
};

/**
 * Keeps the lanes of one worker process: opens those that are wanted, extends its leases, closes
 * those that are quiet. A lost lease (the process was frozen, the store was emptied) closes the
 * lane here; what it had in hand may then be settled twice, which changes nothing.
 *
 * @param lanesMost the most lanes of each kind (roster.ts): however many webhooks there are to deliver, a sale
 *   never waits for one of their lanes to close
 * @param open opens one lane
 * @param isDone asked before a quiet lane closes; where it is false the lane is opened anew
 */
export async function openHost({
  engine,
  lanesMost,
  open,
  isDone,
  onError,
}: {
  engine: Engine;
  lanesMost: number;
  open: (lane: string) => OpenLane;
  isDone: (lane: string) => Promise<boolean>;
  onError: (error: Error) => void;
}): Promise<Host> {
  const owner = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const lanes = new Map<string, OpenLane>();
  let closing = false;
  let lastRoundMs = performance.now();
  let round = Promise.resolve();
  let roundWaits = false;
  let roundStartedMs = Number.NEGATIVE_INFINITY;
  let isClosingQuiet = false;

  function shut(lane: string) {
    const opened = lanes.get(lane);
    lanes.delete(lane);
    return opened?.close();
  }

  /**
   * A lane that has jobs and takes none: paused by somebody, or its worker hangs, as one did after Redis had been away.
   * Neither is harmed by a new one.
   */
  function reopen(lane: string, opened: OpenLane) {
    opened.close().catch(onError);
    lanes.set(lane, open(lane));
  }

  async function takeWanted() {
    if (closing) return;
    for (const lane of await engine.roster.take(owner, hostLimits.leaseMs, lanesMost, countByKind()))
      if (!lanes.has(lane)) lanes.set(lane, open(lane));
  }

  function countByKind(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const lane of lanes.keys()) counts.set(kindOf(lane), (counts.get(kindOf(lane)) ?? 0) + 1);
    return counts;
  }

  async function renew() {
    if (lanes.size === 0) return;
    for (const lane of await engine.roster.renew(owner, hostLimits.leaseMs, [...lanes.keys()])) {
      shut(lane)?.catch(onError);
      // An emptied store has forgotten that it is wanted, and who said so a moment ago does not say it again.
      await engine.roster.want(lane, '');
    }
  }

  /** Not part of a round: what `isDone` asks may take longer than all leases last. */
  async function closeQuiet() {
    const counts = countByKind();
    for (const [lane, opened] of lanes) {
      const isCrowded = (counts.get(kindOf(lane)) ?? 0) >= lanesMost;
      const quietMs = isCrowded ? hostLimits.crowdedQuietMs : hostLimits.quietMs;
      if (opened.lastBusyMs > performance.now() - quietMs) continue;
      try {
        const done = await isDone(lane);
        if (closing) return;
        if (lanes.get(lane) !== opened) continue;
        if (!done) reopen(lane, opened);
        else if (await engine.roster.leave(owner, lane, quietMs)) shut(lane)?.catch(onError);
      } catch (error) {
        onError(error as Error); // The others may be done all the same.
      }
    }
  }

  function startClosing() {
    if (isClosingQuiet) return;
    isClosingQuiet = true;
    void closeQuiet().finally(() => {
      isClosingQuiet = false;
    });
  }

  /** One round at a time; a wake during a round makes one more. */
  function startRound(): Promise<void> {
    if (roundWaits || closing) return round;
    roundWaits = true;
    round = round.then(async () => {
      const waitMs = roundStartedMs + hostLimits.gapMs - performance.now();
      if (waitMs > 0) await pause(waitMs);
      roundWaits = false;
      roundStartedMs = performance.now();
      try {
        await renew();
        await takeWanted();
        lastRoundMs = performance.now();
      } catch (error) {
        onError(error as Error); // The store is away; the next round tries again.
      }
      startClosing();
    });
    return round;
  }

  const timer = setInterval(startRound, hostLimits.roundMs);
  await engine.roster.onWanted(startRound);
  await startRound();

  return {
    get lanes() {
      return [...lanes.keys()];
    },
    get lastRoundMs() {
      return lastRoundMs;
    },
    async close() {
      closing = true;
      clearInterval(timer);
      try {
        await withDeadline('the queue store', hostLimits.farewellMs, engine.ping());
      } catch (error) {
        onError(error as Error);
        for (const opened of lanes.values()) opened.close().catch(onError);
        return;
      }
      await round;
      const names = [...lanes.keys()];
      await Promise.all(names.map(shut));
      await engine.roster.handOver(owner, names).catch(onError);
    },
  };
}
