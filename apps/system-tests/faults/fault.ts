import type { Engine, StackOptions } from '../stack.ts';
import type { Arena } from './arena.ts';

/** How much of a fault is done: what CI does, what `npm run faults` does in minutes, or all of it. */
export type Size = 'short' | 'usual' | 'full';

/** Something that goes wrong under load, and what has to be true of it afterwards. */
export interface Fault {
  /** The name by which it is chosen, such as F1. */
  id: string;
  title: string;
  /** The engines it is for; left out, Redis alone. */
  engines?: readonly Engine[];
  /** The stack it needs, when it is another than the usual one. */
  stack?: (size: Size) => Omit<StackOptions, 'engine'>;
  run(arena: Arena): Promise<void>;
}

/** How a fault is run. */
export interface Run {
  engine: Engine;
  size: Size;
  seed: number;
  /** Shows progress. */
  say: (line: string) => void;
}

/** What came of a fault. It held when there are no findings. */
export interface Row {
  id: string;
  title: string;
  engine: Engine;
  size: Size;
  seed: number;
  /** Claims sent, one that was sent again included. */
  attempts: number;
  /** Claims in the tables. */
  granted: number;
  /** People told a refusal. */
  refused: number;
  /** Tickets that read 410, whose people claimed again. */
  lostPlaces: number;
  /** Answers `granted` without a row, and people with two. Both have to be 0. */
  grantsLost: number;
  doubled: number;
  /** Kills, cuts and so on. */
  injections: number;
  /** From each kill or heal to the next settlement, in ms. */
  recoveriesMs: number[];
  /** Other figures, each a phrase. */
  figures: string[];
  /** What was not as promised. */
  findings: string[];
  tookMs: number;
}
