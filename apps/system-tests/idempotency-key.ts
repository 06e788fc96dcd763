import { randomUUID } from 'node:crypto';
import type { Answer } from './answers.ts';
import { awaitUntil } from './await-until.ts';

const answeredWithinMs = 45_000;

/** Headers with that `Idempotency-Key`, one of their own when left out. */
export const keyed = (key: string = randomUUID(), more: Record<string, string> = {}) => ({
  'idempotency-key': key,
  ...more,
});

/** Whether this is the answer that an earlier request with the key got. */
export const isReplay = (answer: Answer): boolean => answer.headers.get('idempotent-replayed') === 'true';

/** Sends again while it is told to come back with one of these statuses: the first request counts as under way. */
export function untilAnswered(
  send: () => Promise<Answer>,
  statuses: readonly number[] = [409],
): Promise<Answer> {
  return awaitUntil(
    'an answer to a request with a key',
    async () => {
      const answer = await send();
      const isUnderWay = statuses.includes(answer.status) && answer.headers.get('retry-after') !== null;
      return !isUnderWay && answer;
    },
    answeredWithinMs,
  );
}
