import { AppError } from '@claimline/kernel/error';
import type { Wish } from '../train.ts';
import type { Api } from './api.ts';
import { nowMs, sleep } from './clock.ts';
import type { World } from './world.ts';

const limits = {
  /** As idempotencyLimits.leaseSlackMs. */
  leaseSlackMs: 5000,
  retryMs: 1000,
} as const;

/** What one request came to: a ticket, or why there is none. */
export type Told = { ticket: string } | { reason: string };

/** What is stored of a request with an Idempotency-Key (http/idempotency-rows.ts). */
type Row = { reference: string | null; runs: number; leasedUntilMs: number; answer: Told | null };

/** Has a wish boarded; the ticket or the refusal that came of it. Errors: what is answered 503. */
export type Ask = (api: Api, name: string, wish: Wish, waitMs: number) => Promise<Told>;

/** One of a person's requests with a key, under way or answered. */
export type Keyed = {
  name: string;
  userId: string;
  /** They make no other request. */
  isAlone: boolean;
  row: Row;
  told: Told | null;
};

/** Not kept: what says to come back, as `isFinal` of http/idempotency.ts has it. */
const passing = new Set(['paused', 'not_started']);

/** Clients that send a claim with an Idempotency-Key, again and again until they are answered. */
export function createKeyed({ stores, history, api: apiAt }: World, ask: Ask) {
  const all: Keyed[] = [];
  const inStore = <T>({ process }: Api, effect: () => T) => process.call(stores.postgres, 'sql.key', effect);

  /** As `byReference` of http/idempotency.ts; null while another run has the lease. */
  async function answer(api: Api, { name, userId, row }: Keyed, waitMs: number): Promise<Told | null> {
    const reference = await api.verb.issueTicket(name);
    const run = await inStore(api, () => {
      if (row.answer !== null || row.leasedUntilMs > nowMs()) return null;
      row.leasedUntilMs = nowMs() + waitMs + limits.leaseSlackMs;
      row.runs++;
      row.reference = row.runs === 1 ? reference : row.reference;
      return { reference: row.reference, number: row.runs };
    });
    if (run === null) return row.answer;
    const lapse = () =>
      inStore(api, () => {
        if (row.runs === run.number) row.leasedUntilMs = nowMs();
      }).catch(() => {});
    const fixed = run.reference === null ? undefined : { ticket: run.reference, run: run.number };
    try {
      const told = await ask(api, name, { userId, metadata: null, fixed }, waitMs);
      if (!('reason' in told && passing.has(told.reason)))
        return await inStore(api, () => {
          row.answer ??= told;
          return row.answer;
        });
      await lapse();
      return told;
    } catch (error) {
      await lapse();
      throw error;
    }
  }

  /** Sends the request to one API after the other until one answers. */
  async function claimWithKey(
    { name, userId, isAlone }: Pick<Keyed, 'name' | 'userId' | 'isAlone'>,
    firstApi: number,
    waitMs: number,
  ): Promise<void> {
    const row: Row = { reference: null, runs: 0, leasedUntilMs: 0, answer: null };
    const one: Keyed = { name, userId, isAlone, row, told: null };
    all.push(one);
    for (let nth = firstApi; one.told === null; nth++) {
      const api = apiAt(nth);
      if (api) {
        history.say(`${userId} claims ${name} with a key at ${api.process.name}`);
        const killed = new Promise<null>(resolve => api.process.onKilled(() => resolve(null)));
        one.told = await Promise.race([answer(api, one, waitMs).catch(toNull), killed]);
      }
      if (one.told === null) await sleep(limits.retryMs);
    }
    history.say(`${userId} with a key is told ${Object.values(one.told).join()}`);
  }

  return { all, claimWithKey };
}

/** A surprise has been told to the oracle by whoever asked. */
function toNull(error: unknown): null {
  if (error instanceof AppError || error instanceof Error) return null;
  throw error;
}

/** P4: one key, one grant at most, and the answer is about it. */
export function checkKeys({ stores, oracle }: World, keyed: Keyed[]): void {
  for (const { name, userId, isAlone, row, told } of keyed) {
    const who = `${userId} with a key for ${row.reference}`;
    if (told === null) {
      oracle.fail(`P4: ${who} has no answer`);
      continue;
    }
    const ticket = 'ticket' in told ? told.ticket : null;
    const claims = stores.tables.rows.claims.filter(one => one.couponName === name && one.userId === userId);
    const own = claims.filter(claim => isAlone || claim.ticket === row.reference);
    if (own.length > 1) oracle.fail(`P4: ${who} was granted ${own.length}`);
    if (own[0] && own[0].ticket !== ticket)
      oracle.fail(`P4: ${who} has ${own[0].ticket} and was told ${Object.values(told).join()}`);
  }
}
