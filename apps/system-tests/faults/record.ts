import type { Answer } from '../answers.ts';

const shownOfOne = 30;

/** One answer: ms since the start, who asked, what for, the status, what it said, and how often the connection broke. */
type Entry = [
  atMs: number,
  user: string,
  what: 'claim' | 'ticket',
  status: number,
  said: string,
  resets: number,
];

/** Every request of a crowd and what it was answered, in compact form. */
export interface Record {
  add(user: string, what: Entry[2], answer: Answer | undefined): void;
  /** What a person was answered, in order, for a finding. */
  of(user: string): string;
  count(status: number): number;
  readonly claims: number;
}

/** Opens an empty record. An answer that never came has status 0. */
export function openRecord(): Record {
  const startedMs = performance.now();
  const entries: Entry[] = [];
  const counts = new Map<number, number>();
  let claims = 0;
  return {
    add(user, what, answer) {
      const status = answer?.status ?? 0;
      const said = answer?.body.code ?? (answer?.body as { status?: string } | undefined)?.status ?? '';
      const resets = answer?.resets ?? 0;
      entries.push([Math.round(performance.now() - startedMs), user, what, status, said, resets]);
      counts.set(status, (counts.get(status) ?? 0) + 1);
      if (what === 'claim') claims += 1 + resets;
    },
    of(user) {
      const shown: string[] = [];
      let last = '';
      for (const [atMs, who, what, status, said, resets] of entries) {
        if (who !== user) continue;
        const text = `${what} ${status} ${said}${resets > 0 ? ` after ${resets} broken connections` : ''}`;
        if (text !== last) shown.push(`${atMs} ms ${text}`);
        last = text;
      }
      return shown.slice(-shownOfOne).join('; ');
    },
    count: status => counts.get(status) ?? 0,
    get claims() {
      return claims;
    },
  };
}
