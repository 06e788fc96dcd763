import { afterAll, expect, test } from 'vitest';
import { atMost } from './await-until.ts';
import { onEachEngine, type ThisStack } from './engines.ts';
import { couponModel, type Operation } from './history/coupon-model.ts';
import { findOrder } from './history/find-order.ts';
import { recordHistory, showHistory } from './history/record.ts';
import { planWorkload } from './history/workload.ts';

const histories = 60;
/** Recorded at the same time: enough to make trains full and processes change places. */
const atOnce = 4;
const recordMs = 60_000;
/**
 * How late each API hears what the database says. An API that hears at once can answer for a change before the others
 * hear of it: without the barrier in front of a refusal no history showed that while all heard at once.
 */
const hearsAfterMs = [0, 5, 20];
/** To see a failure again: HISTORY_SEED=<the seed that it named>. */
const SEED = Number(process.env.HISTORY_SEED ?? Math.floor(Math.random() * 1e9));

/** Claims, restocks, pauses and reads of coupons, all at once, over several API and worker processes. */
function linearizable(stack: ThisStack): void {
  const seen: Operation[] = [];

  test(`${histories} histories are linearizable (seed ${SEED})`, { timeout: recordMs }, async () => {
    stack().ways!.apis.forEach(({ postgres }, index) => {
      postgres.delayMs = hearsAfterMs[index]!;
    });
    const seeds = Array.from({ length: histories }, (_, index) => SEED + index);
    await atMost(atOnce, seeds, async seed => {
      const workload = planWorkload(seed);
      const history = await recordHistory(stack().client(), workload);
      const { isComplete, order } = findOrder(couponModel(workload.amount), history);
      const story = () =>
        `seed ${seed}, ${workload.amount} units\n${showHistory(history)}\nexplained as far as\n${showHistory(order)}`;
      expect(isComplete, isComplete ? '' : story()).toBe(true);
      expect(isExplainedWithoutLast(workload.amount, history), story()).toBe(false);
      seen.push(...history);
    });
  });

  afterAll(() => {
    const told = (words: string) => seen.filter(asked => 'told' in asked && asked.told === words).length;
    // Nothing was left out by accident: every answer came, and often.
    for (const words of [
      'granted',
      'already_claimed',
      'sold_out',
      'paused',
      'ended',
      'changed',
      'below_granted',
    ])
      expect(told(words), words).toBeGreaterThan(histories / 10);
    // Whoever waits hears the outcome. A few may be told that the coupon keeps changing (503).
    const unanswered = seen.filter(({ returnedAt }) => returnedAt === Number.POSITIVE_INFINITY);
    expect(unanswered.filter(asked => 'ticket' in asked)).toEqual([]);
    expect(unanswered.length).toBeLessThan(seen.length / 20);
  });
}

/** Whether the history would also pass if the last read had not shown the last who was granted a unit. */
function isExplainedWithoutLast(amount: number, history: Operation[]): boolean {
  const last = history.at(-1)!;
  if (last.kind !== 'read' || !last.told || last.told.claimedBy.length === 0) return false;
  const { claimedBy, remaining, ...rest } = last.told;
  const told = { ...rest, claimedBy: claimedBy.slice(0, -1), remaining: remaining + 1 };
  return findOrder(couponModel(amount), [...history.slice(0, -1), { ...last, told }]).isComplete;
}

onEachEngine({ apis: hearsAfterMs.length, workers: 2, hasWays: true }, linearizable);
