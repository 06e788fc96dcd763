import type { Stack } from '../stack.ts';
import { type Crowd, type CrowdOptions, openCrowd } from './crowd.ts';
import type { Fault, Row, Size } from './fault.ts';
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
  /** Counts an injection; `what` is shown as progress. */
  injected(what: string): void;
  /** Notes the time from a kill or heal to the next settlement. */
  recovered(ms: number): void;
  figure(phrase: string): void;
  /** Notes something that is not as promised. */
  finding(sentence: string): void;
  /** Sends the crowd away, however far the fault got. */
  close(): Promise<void>;
}

/** Opens the arena of one run of a fault on a stack. */
export function openArena(
  fault: Fault,
  stack: Stack,
  { seed, size, say }: { seed: number; size: Size; say: (line: string) => void },
): Arena {
  const row: Row = {
    id: fault.id,
    title: fault.title,
    engine: stack.engine,
    size,
    seed,
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
  const crowds: Crowd[] = [];
  const arena: Arena = {
    stack,
    row,
    random: randomOf(seed),
    sized: (short, usual, full) => ({ short, usual, full })[size],
    async crowd(options = {}) {
      const crowd = await openCrowd(arena, options);
      crowds.push(crowd);
      return crowd;
    },
    injected(what) {
      row.injections += 1;
      say(`${fault.id} ${row.injections}: ${what}`);
    },
    recovered(ms) {
      row.recoveriesMs.push(Math.round(ms));
    },
    figure: phrase => void row.figures.push(phrase),
    finding(sentence) {
      if (row.findings.length < findingsKept) row.findings.push(sentence);
    },
    async close() {
      for (const crowd of crowds) await crowd.leave();
    },
  };
  return arena;
}
