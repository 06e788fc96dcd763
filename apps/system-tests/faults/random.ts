import { randomOf as numbersOf } from '@claimline/kernel/testing-random';

/** Numbers that a seed decides. */
export interface Random {
  /** From 0 to 1. */
  next(): number;
  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number;
  pick<T>(some: readonly T[]): T;
  shuffled<T>(some: readonly T[]): T[];
}

/** The same numbers for the same seed. */
export function randomOf(seed: number): Random {
  const next = numbersOf(seed);
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    between,
    pick(some) {
      if (some.length === 0) throw new Error('nothing to pick from');
      return some[between(0, some.length - 1)]!;
    },
    shuffled(some) {
      const all = [...some];
      for (let last = all.length - 1; last > 0; last--) {
        const other = between(0, last);
        [all[last], all[other]] = [all[other]!, all[last]!];
      }
      return all;
    },
  };
}
