import { nowMs } from './clock.ts';

/** What happened in a run, in order, as lines to be read. */
export type History = { say(text: string): void; lines: string[] };

/** @param isKept false where nobody will read it: then nothing is kept */
export function createHistory(isKept: boolean): History {
  const lines: string[] = [];
  return {
    say(text) {
      if (isKept) lines.push(`${String(nowMs()).padStart(7)} ms  ${text}`);
    },
    lines,
  };
}
