import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import {
  claimRows,
  expectGranted,
  expectNoServerErrors,
  expectToldTheTruth,
  outcomes,
  people,
} from './agree.ts';
import { atMost, awaitUntil } from './await-until.ts';
import type { ClaimClient } from './claim-client.ts';
import type { Stack } from './stack.ts';
import { expectVerified } from './verified.ts';

const shoppersAtOnce = 16;
const betweenShoppersMs = 8;
const longestPauseMs = 250;
const healedWithinMs = 60_000;

/** A sale that is running while a test breaks something. */
export interface Sale {
  name: string;
  amount: number;
  client: ClaimClient;
  /** The ticket that each accepted person holds. */
  tickets: Map<string, string>;
  /** Settles when the whole crowd has been accepted or refused. */
  over: Promise<void>;
  /** Awaits that this many people have been accepted. */
  accepted(count: number): Promise<void>;
  /** How many grants are in the table. */
  granted(): Promise<number>;
}

/**
 * Opens a sale and sends twice as many people as there are units, at a pace that leaves time to break things.
 * What `prepare` does, it does after the coupon is created and before anybody claims.
 * As a real client would, each one asks again when told 503, which must say when; anything else is final.
 */
export async function openSale(
  stack: Stack,
  name: string,
  amount: number,
  prepare: (client: ClaimClient) => Promise<void> = async () => {},
): Promise<Sale> {
  const client = stack.client();
  expect((await client.create(name, amount)).status).toBe(201);
  await prepare(client);
  const tickets = new Map<string, string>();
  const over = atMost(shoppersAtOnce, people(amount * 2), async user => {
    await delay(betweenShoppersMs);
    const ticket = await getInLine(client, name, user);
    if (ticket) tickets.set(user, ticket);
  }).then(() => undefined);
  // A failure is reported to whoever awaits the end, not as an unhandled one in between.
  over.catch(() => undefined);
  return {
    name,
    amount,
    client,
    tickets,
    over,
    async accepted(count) {
      await awaitUntil(`${count} people to be accepted`, () => tickets.size >= count, healedWithinMs);
    },
    granted: async () => (await claimRows(stack, name)).length,
  };
}

/** The ticket of a person who was accepted, now or by a request whose answer was lost; nothing when sold out. */
async function getInLine(client: ClaimClient, name: string, user: string): Promise<string | undefined> {
  const deadline = performance.now() + healedWithinMs;
  while (performance.now() < deadline) {
    const { status, body, headers, text } = await client.join(name, user);
    if (status === 202) return body.ticket;
    if (status === 409 && body.code === 'already_claimed') return body.ticket;
    if (status === 409 && body.code === 'sold_out') return undefined;
    if (status !== 503) throw new Error(`a claim was answered ${status}: ${text}`);
    expect(Number(headers.get('retry-after')), '503 without Retry-After').toBeGreaterThanOrEqual(1);
    await delay(longestPauseMs);
  }
  throw new Error(`${user} was told 503 for ${healedWithinMs} ms`);
}

/**
 * Sees a sale to its end after the fault has healed: every accepted ticket reaches its outcome, whoever lost
 * a place claims again (`mayLosePlaces`, or nobody may have), every unit is sold, and the tables, the tickets
 * and the counts agree.
 */
export async function seeToTheEnd(stack: Stack, sale: Sale, mayLosePlaces = false): Promise<void> {
  await sale.over;
  const { client, name, amount, tickets } = sale;
  for (let again = true; again; ) {
    const told = await outcomes(client, [...tickets.values()], healedWithinMs);
    const lost = [...tickets].filter(([, ticket]) => told.get(ticket)!.status === 410);
    if (!mayLosePlaces)
      expect(lost.map(([user, ticket]) => `${ticket}: ${toldTo(client, user)}`)).toEqual([]);
    for (const [user] of lost) {
      const ticket = await getInLine(client, name, user);
      if (ticket) tickets.set(user, ticket);
      else tickets.delete(user);
    }
    again = lost.length > 0;
  }
  await sellOut(client, name);
  const rows = await expectGranted(stack, name, amount, amount);
  const told = await outcomes(client, [...tickets.values()]);
  expectToldTheTruth(told, rows);
  const untold = rows.filter(row => !row.user_id.startsWith('late-') && !told.has(row.ticket!));
  expect(untold).toEqual([]);
  expectNoServerErrors(client.history, [503]);
  await expectVerified(stack, name);
}

/** What a person was answered, in order, for the message of a failed test. */
function toldTo(client: ClaimClient, user: string): string {
  return client.history
    .filter(({ sent }) => (sent as { user_id?: string } | undefined)?.user_id === user)
    .map(
      ({ status, body, resets }) =>
        `${status} ${body.code ?? body.status} ${body.deduplicated ?? ''} ${resets}`,
    )
    .join('; ');
}

/** A unit promised to a request or a place that was lost comes back by itself, and latecomers buy it. */
export async function sellOut(client: ClaimClient, name: string): Promise<void> {
  let late = 0;
  await awaitUntil(
    'every unit to be sold',
    async () => {
      if ((await client.coupon(name)).body.remaining_amount === 0) return true;
      late += 1;
      await client.claim(name, `late-${late}`);
      return false;
    },
    healedWithinMs,
  );
}

/** How long after now, in ms, the next claim is granted; what was on its way at this moment does not count. */
export async function nextSettlementMs(sale: Sale, since: number): Promise<number> {
  const onItsWayMs = 300;
  await delay(onItsWayMs);
  const before = await sale.granted();
  await awaitUntil('the next settlement', async () => (await sale.granted()) > before, healedWithinMs);
  return performance.now() - since;
}
