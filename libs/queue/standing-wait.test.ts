import { describe, expect, test } from 'vitest';
import { createStandingWait, type StandingWait, standingWaitLimits } from './standing-wait.ts';

const targetMs = 1000;
const seats = 500;
const { alwaysMost, heldShare, intervalMs } = standingWaitLimits;

/** A gate that lets `perSecond` through, in trains, and those who wait before it; time is a number. */
function openGate(perSecond: number) {
  const wait: StandingWait = createStandingWait(targetMs);
  const waiting: number[] = [];
  let nowMs = 0;
  let owed = 0;
  return {
    /** Lets time pass in steps of 10 ms; `arrivals` come in each. Answers how many were refused. */
    pass(ms: number, arrivals: number): number {
      let refused = 0;
      for (const untilMs = nowMs + ms; nowMs < untilMs; nowMs += 10) {
        for (let n = 0; n < arrivals; n++) {
          if (wait.admits(waiting.length, nowMs)) waiting.push(nowMs);
          else refused++;
        }
        owed += perSecond / 100;
        const train = waiting.splice(0, Math.min(seats, Math.floor(owed)));
        owed -= train.length;
        if (waiting.length === 0) owed = 0;
        if (train.length > 0) wait.passed(train.length, train[0] as number, nowMs);
      }
      return refused;
    },
    get longestMs() {
      return waiting.length === 0 ? 0 : nowMs - (waiting[0] as number);
    },
    get waiting() {
      return waiting.length;
    },
  };
}

describe('a wait in front of the gate', () => {
  test('of a spike refuses nobody, however large the spike is', () => {
    const gate = openGate(10_000);
    expect(gate.pass(10, 15_000)).toBe(0);
    expect(gate.pass(1500, 0)).toBe(0);
    expect(gate.waiting).toBe(0);
  });

  test('that stands and is short refuses nobody', () => {
    const gate = openGate(10_000);
    expect(gate.pass(10, 5000)).toBe(0);
    // As many come as go, so it stays.
    expect(gate.pass(60_000, 100)).toBe(0);
    expect(gate.longestMs).toBeGreaterThan(300);
  });

  test('that is long and stands is made short, and the gate stays busy', () => {
    const gate = openGate(10_000);
    gate.pass(intervalMs * 4, 300);
    const refused = gate.pass(60_000, 300);
    // Three times as many come as can pass: two of three go away.
    expect(refused / (60_000 * 30)).toBeCloseTo(2 / 3, 1);
    expect(gate.longestMs).toBeLessThanOrEqual(targetMs * heldShare * 1.2);
    expect(gate.waiting).toBeGreaterThan(0);
  });

  test('is free again a while after the crowd has gone', () => {
    const gate = openGate(10_000);
    expect(gate.pass(intervalMs * 4, 300)).toBeGreaterThan(0);
    gate.pass(intervalMs * 10, 1);
    expect(gate.pass(10, 5000)).toBe(0);
  });

  test('always leaves a train to a gate that is slow', () => {
    const gate = openGate(100);
    gate.pass(60_000, 10);
    expect(gate.waiting).toBeGreaterThan(alwaysMost - 10);
    expect(gate.waiting).toBeLessThanOrEqual(alwaysMost);
  });
});
