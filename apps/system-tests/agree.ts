import { expect } from 'vitest';
import type { Answer, Body } from './answers.ts';
import { atMost, awaitUntil } from './await-until.ts';
import type { ClaimClient } from './claim-client.ts';
import type { Stack } from './stack.ts';

const pollersAtOnce = 40;
const longPollSeconds = 5;
const claimedByShown = 1_000;

/** A row of `claims`, in line order. */
export interface ClaimRow {
  user_id: string;
  ordinal: number;
  sequence: number;
  ticket: string | null;
}

/** The claims of a coupon as the table has them, in line order. */
export async function claimRows(stack: Stack, name: string): Promise<ClaimRow[]> {
  const rows = await stack.sql<ClaimRow[]>`
    select user_id, ordinal::int, sequence::int, ticket::text
    from claims where coupon_name = ${name} order by sequence, id`;
  return [...rows];
}

/**
 * Holds the tables and the coupon's page against each other and against an exact count of grants:
 * stock, remaining stock, contiguous sequences, nobody twice, claimants in line order.
 */
export async function expectGranted(
  stack: Stack,
  name: string,
  amount: number,
  granted: number,
): Promise<ClaimRow[]> {
  const rows = await claimRows(stack, name);
  const [coupon] = await stack.sql`select amount, remaining_amount from coupons where name = ${name}`;
  expect({ ...coupon }).toEqual({ amount, remaining_amount: amount - granted });
  expect(rows.length).toBe(granted);
  expect(rows.map(row => row.sequence)).toEqual(rows.map((_, index) => index + 1));
  expect(new Set(rows.map(row => row.user_id)).size).toBe(granted);
  expect(new Set(rows.map(row => row.ticket)).size).toBe(granted);

  const { body } = await stack.client().coupon(name);
  expect(body).toMatchObject({ name, amount, remaining_amount: amount - granted, claimed_count: granted });
  expect(body.claimed_by).toEqual(rows.slice(0, claimedByShown).map(row => row.user_id));
  return rows;
}

/** The people of these rows, sorted. */
export const peopleOf = (rows: readonly ClaimRow[]): string[] => rows.map(row => row.user_id).sort();

/** No client was ever answered 5xx, save the answers that a fault excuses. */
export function expectNoServerErrors(history: readonly Answer[], excused: readonly number[] = []): void {
  const bad = history.filter(answer => answer.status >= 500 && !excused.includes(answer.status));
  expect(
    bad.slice(0, 5).map(({ method, path, status, text }) => `${method} ${path} ${status} ${text}`),
  ).toEqual([]);
}

/** Reads tickets until each has its outcome, or says that its place was lost (410). None may be unknown. */
export async function outcomes(
  client: ClaimClient,
  tickets: readonly string[],
  withinMs = 60_000,
): Promise<Map<string, Answer>> {
  const answers = await atMost(pollersAtOnce, tickets, ticket =>
    awaitUntil(
      `the outcome of ticket ${ticket}`,
      async () => {
        const answer = await client.ticket(ticket, longPollSeconds);
        return (isFinal(answer.body) || answer.status === 410 || answer.status === 404) && answer;
      },
      withinMs,
    ),
  );
  const told = new Map(tickets.map((ticket, index) => [ticket, answers[index]!]));
  expect(ticketsOf(told, ({ status }) => status === 404)).toEqual([]);
  return told;
}

/** Whether a ticket will not change any more. */
export const isFinal = (ticket: Body): boolean =>
  ticket.status === 'granted' || ticket.status === 'refused' || ticket.status === 'failed';

/** The tickets whose answers are of a kind. */
const ticketsOf = (told: ReadonlyMap<string, Answer>, isOne: (answer: Answer) => boolean): string[] =>
  [...told].filter(([, answer]) => isOne(answer)).map(([ticket]) => ticket);

/**
 * Holds what tickets said against the table: a ticket says granted if and only if a claim carries it, none is lost,
 * and every claim carries the ticket of somebody who was told, but those of people whose answers were `cut` off.
 */
export function expectToldTheTruth(
  told: ReadonlyMap<string, Answer>,
  rows: readonly ClaimRow[],
  { cut = new Set() }: { cut?: ReadonlySet<string> } = {},
): void {
  const stored = new Set(rows.map(row => row.ticket));
  const saying = (status: string) => ticketsOf(told, ({ body }) => body.status === status);
  expect(saying('failed')).toEqual([]);
  expect(ticketsOf(told, ({ status }) => status === 410)).toEqual([]);
  expect(saying('granted').filter(ticket => !stored.has(ticket))).toEqual([]);
  expect(saying('refused').filter(ticket => stored.has(ticket))).toEqual([]);
  expect(rows.filter(({ ticket, user_id }) => !told.has(ticket!) && !cut.has(user_id))).toEqual([]);
}

/** A coupon name that no other test uses. */
export function freshName(about: string): string {
  freshNames += 1;
  return `${about} ${process.pid} ${freshNames}`;
}
let freshNames = 0;

/** `count` people, all different. */
export const people = (count: number, prefix = 'person'): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
