import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Answer } from '../answers.ts';
import { complaintAbout } from './check-answers.ts';
import { checkReadAgain, checkSales, type Notes, readTables } from './check-tables.ts';
import { checkLineOrder, checkTold } from './check-told.ts';
import { newPerson, type Person, type Told } from './person.ts';
import type { Sale } from './sale.ts';

const statementTimeoutMs = 15_000;
const coupon = 'short';
/** The clock of these tables, in ms of Unix time; the last unit is granted at `soldOutMs`. */
const startMs = Date.UTC(2030, 0, 1);
const soldOutMs = startMs + 1000;
const sale: Sale = { name: coupon, id: '', amount: 3, isShort: true, hasBook: true, came: 0 };

let database: TestDatabase;
let sql: Sql;
/** What three were told who have a unit, one whom a settlement refused, and one who was turned away. */
let crowd: Record<'ann' | 'ben' | 'cat' | 'dan' | 'eve', Person>;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = openPool({
    url: database.url,
    applicationName: 'tests of the checks',
    statementTimeoutMs,
    fetchTypes: false,
  });
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

beforeEach(async () => {
  await sql`truncate coupons cascade`;
  await sql`truncate refusals`;
  await sql`
    insert into coupons (name, amount, remaining_amount, granted_count, claimed_count) values (${coupon}, 3, 0, 3, 3)`;
  await sql`insert into codes (code, coupon_name, random_key) select 'C-' || n, ${coupon}, n from generate_series(1, 3) n`;
  await sql`
    insert into claims (user_id, coupon_name, sequence, ticket, created_at)
    values ('person-ann', ${coupon}, 1, 't-ann', to_timestamp(${startMs / 1000}::float8)),
      ('person-ben', ${coupon}, 2, 't-ben', to_timestamp(${soldOutMs / 1000}::float8)),
      ('person-cat', ${coupon}, 3, 't-cat', to_timestamp(${soldOutMs / 1000}::float8))`;
  await sql`
    insert into assignments (claim_id, code, coupon_id, user_id)
    select claims.id, 'C-' || sequence, coupons.id, user_id from claims join coupons on name = coupon_name`;
  await sql`
    insert into refusals (ticket, coupon_id, coupon_name, user_id, reason, decided_at)
    select 't-dan', id, name, 'person-dan', 'sold_out', to_timestamp(${soldOutMs / 1000}::float8) from coupons`;
  await sql`
    update coupons set remaining_amount = 0, granted_count = 3, claimed_count = 3, amount = 3 where name = ${coupon}`;
  crowd = {
    ann: told('ann', granted('ann', 1)),
    ben: told('ben', granted('ben', 2)),
    cat: told('cat', granted('cat', 3)),
    dan: told('dan', refused('dan', 'sold_out')),
    eve: told('eve', { status: 'turned away', reason: 'sold_out', atMs: soldOutMs + 1 }),
  };
});

function told(name: string, what: Told, of = sale): Person {
  return { ...newPerson(`person-${name}`, of), told: what };
}

function granted(name: string, sequence: number): Extract<Told, { status: 'granted' }> {
  const [ticket, user, code] = [`t-${name}`, `person-${name}`, `C-${sequence}`];
  return { status: 'granted', ticket, user, sequence, code, text: `${ticket} granted` };
}

function refused(name: string, reason: string): Extract<Told, { status: 'refused' }> {
  return {
    status: 'refused',
    ticket: `t-${name}`,
    user: `person-${name}`,
    reason,
    text: `t-${name} refused`,
  };
}

/** All that is found of the crowd and the tables as they are now. */
async function check(sales: readonly Sale[] = [sale]) {
  const findings: string[] = [];
  const row = { grantsLost: 0, doubled: 0 } as Notes['row'];
  const notes: Notes = { row, finding: sentence => void findings.push(sentence) };
  const tables = await readTables(sql, sales);
  const people = Object.values(crowd);
  checkSales(notes, sales, tables);
  checkTold(notes, people, tables);
  checkLineOrder(notes, people, tables);
  return { findings, grantsLost: row.grantsLost, doubled: row.doubled };
}

test('nothing is found where what was told is what happened', async () => {
  expect(await check()).toEqual({ findings: [], grantsLost: 0, doubled: 0 });
  // The other request of somebody who sent two, and people who only heard that they have one.
  Object.assign(crowd, {
    twin: told('ann', granted('ann', 1)),
    again: told('ben', { status: 'holds' }),
    late: told('cat', { ...refused('late', 'already_claimed'), user: 'person-cat' }),
  });
  await sql`
    insert into refusals (ticket, coupon_id, coupon_name, user_id, reason)
    select 't-late', id, name, 'person-cat', 'already_claimed' from coupons`;
  expect((await check()).findings).toEqual([]);
});

/** What goes wrong, the sentence that says so, and grants lost and doubled. */
const wrongs: [what: string, goesWrong: () => unknown, finding: RegExp, lost?: number, doubled?: number][] = [
  [
    'two are told one ticket',
    () => Object.assign(crowd, { fay: told('fay', { ...granted('ann', 1), user: 'person-fay' }) }),
    /person-ann and person-fay .* were both told/,
    1,
    1,
  ],
  ['a ticket of another is told', () => (crowd.ann.told = granted('ben', 2)), /another row/, 1, 1],
  [
    'a ticket says that it is of another',
    () => (crowd.ann.told = { ...granted('ann', 1), user: 'person-ben' }),
    /another row/,
    1,
  ],
  ['another number is told', () => (crowd.ann.told = granted('ann', 2)), /another row/, 1],
  ['another code is told', () => (crowd.ann.told = { ...granted('ann', 1), code: 'C-2' }), /another row/, 1],
  ['no code is told', () => (crowd.ann.told = { ...granted('ann', 1), code: null }), /another row/, 1],
  ['a grant is lost', () => sql`delete from claims where ticket = 't-cat'`, /person-cat .* has no row/, 1],
  [
    'a unit is held by nobody',
    () => Object.assign(crowd, { fay: told('fay', { status: 'holds' }) }),
    /person-fay .* has no row/,
  ],
  [
    'nobody holds what was claimed already',
    () => (crowd.dan.told = refused('dan', 'already_claimed')),
    /person-dan .* has no such refusal/,
  ],
  [
    'nobody holds what the table says was claimed already',
    () => {
      crowd.dan.told = refused('dan', 'already_claimed');
      return sql`update refusals set reason = 'already_claimed'`;
    },
    /person-dan .* holds nothing/,
  ],
  ['a refusal is of another', () => sql`update refusals set user_id = 'person-eve'`, /person-dan .* no such/],
  ['a refusal is lost', () => sql`delete from refusals`, /person-dan .* no such refusal/],
  ['the refused has a row', () => (crowd.cat.told = refused('cat', 'sold_out')), /has a row all the same/],
  [
    'a settlement refuses too early',
    () => sql`update refusals set decided_at = decided_at - interval '1 microsecond'`,
    /1 refused before the last unit/,
  ],
  [
    'the gate refuses too early',
    () => (crowd.eve.told = { status: 'turned away', reason: 'sold_out', atMs: soldOutMs - 1 }),
    /person-eve .* before the last unit/,
  ],
  [
    'a sale that is open says it is paused',
    () => (crowd.eve.told = { status: 'turned away', reason: 'paused', atMs: soldOutMs + 1 }),
    /person-eve .* for no reason/,
  ],
  [
    'a settlement finds that a sale has ended',
    () => {
      crowd.dan.told = refused('dan', 'ended');
      return sql`update refusals set reason = 'ended'`;
    },
    /person-dan .* for no reason/,
  ],
  [
    'a long sale is sold out',
    () => (crowd.eve.sale = { ...sale, isShort: false }),
    /person-eve .* no reason/,
  ],
  ['a grant is told nobody', () => delete (crowd as Partial<typeof crowd>).cat, /1 granted and never told/],
  [
    'nobody was granted what is sold out',
    () => sql`delete from claims`,
    /person-eve .* before the last unit/,
    3,
  ],
  ['more is granted than there is', () => sql`update coupons set amount = 2`, /3 granted/],
  ['the stock is wrong', () => sql`update coupons set remaining_amount = 1`, /what remains/],
  ['a counter is wrong', () => sql`update coupons set claimed_count = 2`, /counters/],
  ['a number is missing', () => sql`update claims set sequence = 4 where sequence = 3`, /gaps/, 1],
  [
    'one has two',
    () => sql`update claims set user_id = 'person-ann', ordinal = 2 where sequence = 2`,
    /1 granted twice/,
    1,
    1,
  ],
  ['a claim has no code', () => sql`delete from assignments where code = 'C-2'`, /3 claims, 2 codes/, 1],
  ['a coupon is gone', () => sql`truncate coupons cascade`, /is gone/, 3],
  [
    'the line is not kept',
    () => {
      crowd.ben.place = { sentMs: 20, acceptedMs: 30 };
      crowd.cat.place = { sentMs: 5, acceptedMs: 19 };
    },
    /person-cat was in line before person-ben .* settled after/,
  ],
];

test.for(wrongs)('found: %s', async ([, goesWrong, finding, grantsLost = 0, doubled = 0]) => {
  await goesWrong();
  const found = await check();
  expect(found.findings.join('\n')).toMatch(finding);
  expect(found).toMatchObject({ grantsLost, doubled });
});

test('the line is kept only by those who are settled together, and came one after the other', async () => {
  crowd.ann.place = { sentMs: 20, acceptedMs: 30 }; // Settled before the others.
  crowd.ben.place = { sentMs: 10, acceptedMs: 15 };
  crowd.cat.place = { sentMs: 5, acceptedMs: 11 }; // Accepted when the other was on the way.
  expect((await check()).findings).toEqual([]);
});

test('found: an answer that changes', async () => {
  const findings: string[] = [];
  const notes: Notes = { row: {} as Notes['row'], finding: sentence => void findings.push(sentence) };
  const client = (text: string) => ({ ticket: async () => ({ text }) as Answer });
  await checkReadAgain(notes, [crowd.ann], client('t-ann granted'));
  expect(findings).toEqual([]);
  await checkReadAgain(notes, [crowd.ann, crowd.dan, crowd.eve], client('t-ann granted'));
  expect(findings).toEqual(['person-dan was told t-dan refused and now t-ann granted']);
});

test('found: a 5xx, and a 503 that does not say when to come again', () => {
  const answer = (status: number, headers = {}) =>
    ({ status, headers: new Headers(headers), text: 'text' }) as Answer;
  expect(complaintAbout(answer(500))).toBe('was answered 500 text');
  expect(complaintAbout(answer(504, { 'retry-after': '1' }))).toBe('was answered 504 text');
  expect(complaintAbout(answer(503))).toBe('was told 503 without Retry-After');
  expect(complaintAbout(answer(429, { 'retry-after': '0' }))).toBe('was told 429 without Retry-After');
  for (const status of [200, 202, 404, 409, 410]) expect(complaintAbout(answer(status))).toBeUndefined();
  expect(complaintAbout(answer(503, { 'retry-after': '1' }))).toBeUndefined();
});
