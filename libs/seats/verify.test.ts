import { transaction } from '@claimline/db/transaction';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { insertEvent, named, openSeatDatabase, requestOf, settle } from './testing.ts';
import { seatCheck } from './verify.ts';

const database = await openSeatDatabase();
const { sql } = database;
afterAll(() => database.close());
beforeEach(() => sql`truncate events, seats, reservations, reservation_refusals cascade`);

/** What is violated, and in parentheses what is noted. */
async function found(tx = sql) {
  const rows = await tx.unsafe<{ invariant: string; is_note: boolean }[]>(
    `select invariant, is_note from (${seatCheck.sql}) as found (invariant, is_note, found)`,
    [null],
  );
  return rows.map(row => (row.is_note ? `(${row.invariant})` : row.invariant)).sort();
}

test('a hold that lapsed, and its seat taken by another, between the beginning and the snapshot', async () => {
  const event = await insertEvent(sql, 1, 600);
  await settle(sql, event, [requestOf('ada', named(1))]);
  await transaction(database.url, async tx => {
    // This is when now() stands still; the snapshot is taken by the first query.
    await tx`set transaction isolation level repeatable read, read only`;
    await sql`update reservations set expires_at = clock_timestamp()`;
    await sql`update seats set held_until = clock_timestamp()`;
    expect(await settle(sql, event, [requestOf('eve', named(1))])).toEqual(['1']);
    expect(await found(tx)).toEqual([]);
  });
});

test('a lapsed reservation that nobody ends is noted, and after a day a violation', async () => {
  const event = await insertEvent(sql, 1);
  await settle(sql, event, [requestOf('ada', named(1))]);
  await sql`update reservations set expires_at = now() - interval '1 hour'`;
  expect(await found()).toEqual(['(sweep-keeps-up)']);
  await sql`update reservations set expires_at = now() - interval '25 hours'`;
  expect(await found()).toEqual(['sweep-keeps-up']);
});
