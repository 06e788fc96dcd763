import { randomUUID } from 'node:crypto';
import { runChecks } from '@claimline/db/checks';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase } from '@claimline/db/testing';
import type { JobRequest } from './job.ts';
import { settleRequests } from './settle.ts';
import { seatCheck } from './verify.ts';
import type { Wish } from './wish.ts';

/** A database of a test's own, with a pool as the worker has it. */
export async function openSeatDatabase() {
  const database = await createTestDatabase();
  const sql = openPool({
    url: database.url,
    applicationName: 'test seats',
    settings: { enable_seqscan: 'off', plan_cache_mode: 'force_generic_plan' },
  });
  return {
    url: database.url,
    sql,
    async close() {
      await closePool(sql, 1);
      await database.drop();
    },
  };
}

/** An event that is on sale with that many seats, numbered from 1. */
export async function insertEvent(sql: Sql, seats: number, ttlSeconds = 600): Promise<string> {
  const [event] = await sql<{ id: string }[]>`
    insert into events (name, starts_at, reservation_ttl_seconds, currency)
    values ('an event', now() + interval '1 day', ${ttlSeconds}, 'EUR') returning id`;
  const id = event?.id as string;
  await sql`
    insert into seats (event_id, number, place, price, currency)
    select ${id}, n::text, n, 100 * n, 'EUR' from generate_series(1, ${seats}) n`;
  return id;
}

const never = new AbortController().signal;

export const requestOf = (userId: string, wish: Wish): JobRequest => [`tkt_${randomUUID()}`, userId, wish];
export const named = (...numbers: number[]): Wish => ({
  seats: numbers.map(number => ({ number: String(number), version: null })),
});

/** Settles requests and answers what became of each: the numbers of its seats, or the reason. */
export async function settle(sql: Sql, eventId: string, requests: JobRequest[]): Promise<string[]> {
  await settleRequests(sql, eventId, requests, never);
  const rows = await sql<{ ticket: string; became: string }[]>`
    select ticket, (select string_agg(held ->> 'number', ' ') from jsonb_array_elements(seats) held) as became
    from reservations where event_id = ${eventId}
    union all
    select ticket, reason from reservation_refusals where event_id = ${eventId}`;
  const byTicket = new Map(rows.map(row => [row.ticket, row.became]));
  return requests.map(([ticket]) => byTicket.get(ticket) ?? 'nothing');
}

/** The reservation that a request came to. */
export async function reservationOf(sql: Sql, [ticket]: JobRequest) {
  const [row] = await sql<{ id: string; status: string; expires_at: Date }[]>`
    select id, status, expires_at from reservations where ticket = ${ticket}`;
  if (!row) throw new Error('nothing was reserved');
  return row;
}

/** Invariants that are violated, and how often. */
export async function violated(url: string): Promise<Record<string, number>> {
  const verdicts = await runChecks(url, [seatCheck]);
  return Object.fromEntries(
    verdicts.filter(one => one.violations > 0).map(one => [one.name, one.violations]),
  );
}
