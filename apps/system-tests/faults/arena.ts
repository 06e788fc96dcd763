import type { Stack } from '../stack.ts';
import { type Crowd, type CrowdOptions, openCrowd } from './crowd.ts';
import type { Fault, Row, Run } from './fault.ts';
import { type Random, randomOf } from './random.ts';

const findingsKept = 20;

/** What a fault works with: a running stack, a crowd, its dice, and a row to fill. */
export interface Arena {
  stack: Stack;
  row: Row;
  random: Random;
  /** A figure or thing by size. */
  sized<T>(short: T, usual: T, full: T): T;
  /** Opens sales and lets people come. */
  crowd(options?: CrowdOptions): Promise<Crowd>;
  /** Counts an injection; `what` is shown as progress. Throws when the arena is closed. */
  injected(what: string): void;
  /** Notes the time from a kill or heal to the next settlement. */
  recovered(ms: number): void;
  figure(phrase: string): void;
  /** Notes something that is not as promised. */
  finding(sentence: string): void;
  /** Sends the crowd away, however far the fault got. */
  close(): Promise<void>;
}

/** The row of a run of a fault, to be filled. */
export function newRow({ id, title }: Fault, { engine, size, seed }: Run): Row {
  return {
    ...{ id, title, engine, size, seed },
    attempts: 0,
    granted: 0,
    refused: 0,
    lostPlaces: 0,
    grantsLost: 0,
    doubled: 0,
    injections: 0,
    recoveriesMs: [],
    figures: [],
    findings: [],
    tookMs: 0,
  };
}

/** Notes in a row something that is not as promised. */
export function addFinding(row: Row, sentence: string): void {
  if (row.findings.length < findingsKept) row.findings.push(sentence);
}

/** Opens the arena of one run of a fault on a stack. */
export function openArena(fault: Fault, stack: Stack, row: Row, { seed, size, say }: Run): Arena {
  let isClosed = false;
  /** A fault that was given up goes on until it does something of this. */
  function assertOpen(): void {
    if (isClosed) throw new Error(`${fault.id} is over`);
  }
  const crowds: Crowd[] = [];
  const arena: Arena = {
    stack,
    row,
    random: randomOf(seed),
    sized: (short, usual, full) => ({ short, usual, full })[size],
    async crowd(options = {}) {
      assertOpen();
      const crowd = await openCrowd(arena, options);
      crowds.push(crowd);
      if (isClosed) await crowd.leave();
      assertOpen();
      return crowd;
    },
    injected(what) {
      assertOpen();
      row.injections += 1;
      say(`${fault.id} ${row.injections}: ${what}`);
    },
    recovered(ms) {
      row.recoveriesMs.push(Math.round(ms));
    },
    figure: phrase => void row.figures.push(phrase),
    finding: sentence => addFinding(row, sentence),
    async close() {
      isClosed = true;
      for (const crowd of crowds) await crowd.leave();
    },
  };
  return arena;
}
