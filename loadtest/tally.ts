import type { Answer } from './answer.ts';

/**
 * Counts per person how often one status was answered, for claims that each person may get once.
 * Counts nothing where `status` is undefined.
 */
export function createTally(status: number | undefined) {
  const counts: number[] = [];

  return {
    count(answer: Answer, _bytes: Buffer, userNumber: number): void {
      if (status === undefined) return;
      counts[userNumber] = (counts[userNumber] ?? 0) + (answer.status === status ? 1 : 0);
    },
    /** Throws when somebody got it more than once, or more people never than answers were lost. */
    assertOnceEach(lostAnswers: number): void {
      const more = counts.filter(count => count > 1).length;
      const never = counts.filter(count => count === 0).length;
      if (more > 0) throw new Error(`${more} of ${counts.length} people got ${status} more than once`);
      if (never > lostAnswers) throw new Error(`${never} of ${counts.length} people never got ${status}`);
    },
  };
}

/** Counts answers by the `reason` in their body; those that have none are `valid`. */
export function createReasonTally() {
  const counts: Record<string, number> = {};
  return {
    counts,
    count({ bodyOffset, length }: Answer, bytes: Buffer): void {
      const reason = REASON.exec(bytes.toString('latin1', bodyOffset, length))?.[1] ?? 'valid';
      counts[reason] = (counts[reason] ?? 0) + 1;
    },
  };
}

const REASON = /"reason":"(\w+)"/;
