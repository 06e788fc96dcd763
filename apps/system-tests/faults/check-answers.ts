import type { Answer } from '../answers.ts';

/**
 * What nobody may be answered whatever is broken, as the end of a sentence about who was: a 5xx besides 503,
 * and a 503 or 429 that does not say when to come again.
 */
export function complaintAbout({ status, headers, text }: Answer): string | undefined {
  const isComeAgain = status === 503 || status === 429;
  if (status >= 500 && !isComeAgain) return `was answered ${status} ${text}`;
  if (isComeAgain && !(Number(headers.get('retry-after')) >= 1))
    return `was told ${status} without Retry-After`;
  return undefined;
}
