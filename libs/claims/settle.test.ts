import { randomUUID } from 'node:crypto';
import { openChanges } from '@claimline/db/changes';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createTestDatabase, type TestDatabase } from '@claimline/db/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awkwardUsers } from './gate.testsuite.ts';
import { type Decision, parseSettled, SETTLED_CHANNEL } from './outcome.ts';
import { fail, settle } from './settle.ts';
import { insertCoupon, nextTicket, readCouponRow, seededRandom } from './testing.ts';
import type { JobClaim } from './train.ts';

let database: TestDatabase;
let sql: Sql;
const never = new AbortController().signal;

/** A pool as the worker has it. */
function workerPool(max: number): Sql {
  return openPool({
    url: database.url,
    applicationName: 'test settle',
    max,
    settings: { enable_seqscan: 'off' },
  });
}

beforeAll(async () => {
  database = await createTestDatabase();
  sql = workerPool(4);
});
afterAll(async () => {
  await closePool(sql, 1);
  await database.drop();
});

type Coupon = Awaited<ReturnType<typeof insertCoupon>>;

/** Claims of these people in this order, each with a new ticket. */
function claimsOf(users: string[]): JobClaim[] {
  return users.map((userId, i): JobClaim => [nextTicket(), userId, i + 1]);
}
async function settleClaims(coupon: Pick<Coupon, 'id' | 'name'>, claims: JobClaim[], on = sql) {
  return settle(on, { couponId: coupon.id, couponName: coupon.name, claims }, never);
}
/** Settles claims of these people and answers with their outcomes in order. */
async function settleUsers(coupon: Pick<Coupon, 'id' | 'name'>, users: string[]) {
  const claims = claimsOf(users);
  const { decisions } = await settleClaims(coupon, claims);
  return claims.map(([ticket]) => decisions.get(ticket) as Decision);
}
/** An outcome in a word. */
function inBrief(decision: Decision | undefined): string | undefined {
  return decision?.status === 'refused' ? decision.reason : decision?.status;
}
const people = (count: number, prefix = 'person') =>
  Array.from({ length: count }, (_, i) => `${prefix} ${i}`);
const claimRows = (coupon: Pick<Coupon, 'name'>) => sql<
  { user_id: string; ordinal: number; sequence: number; ticket: string }[]
>`
  select user_id, ordinal, sequence, ticket from claims where coupon_name = ${coupon.name} order by sequence`;

describe('stock', () => {
  test('goes to the first in line, in line order, with a sequence without gaps', async () => {
    const coupon = await insertCoupon(sql, { amount: 5 });
    const claims = claimsOf(people(8));
    const news = await settleClaims(coupon, claims);
    expect([...news.decisions.keys()].sort()).toEqual(claims.map(([ticket]) => ticket).sort());
    const outcomes = claims.map(([ticket]) => news.decisions.get(ticket));
    expect(outcomes.map(inBrief)).toEqual([...Array(5).fill('granted'), ...Array(3).fill('sold_out')]);
    expect(outcomes.slice(0, 5)).toMatchObject([1, 2, 3, 4, 5].map(sequence => ({ sequence, held: 1 })));
    expect(news).toMatchObject({ couponId: coupon.id, couponName: coupon.name, state: { remaining: 0 } });
    expect(await claimRows(coupon)).toEqual(
      claims.slice(0, 5).map(([ticket, user_id], i) => ({ user_id, ordinal: 1, sequence: i + 1, ticket })),
    );
    const refusals = await sql`
      select ticket, coupon_id, coupon_name, user_id, reason from refusals where coupon_id = ${coupon.id} order by user_id`;
    expect([...refusals]).toEqual(
      claims.slice(5).map(([ticket, user_id]) => ({
        ticket,
        coupon_id: coupon.id,
        coupon_name: coupon.name,
        user_id,
        reason: 'sold_out',
      })),
    );
    expect(await readCouponRow(sql, coupon.name)).toMatchObject({
      remaining_amount: 0,
      granted_count: 5,
      claimed_count: 5,
      amount: 5,
    });
  });

  test('the state it tells is the row as it left it, in the same epoch', async () => {
    const coupon = await insertCoupon(sql, { amount: 5 });
    const news = await settleClaims(coupon, claimsOf(people(2)));
    const row = await readCouponRow(sql, coupon.name);
    expect(news.state).toEqual({ epoch: row?.epoch, revision: row?.revision, remaining: 3 });
    expect(row?.epoch).toBe(1);
  });

  test('batches follow each other in the sequence', async () => {
    const coupon = await insertCoupon(sql, { amount: 7 });
    for (const batch of ['a', 'b', 'c']) await settleUsers(coupon, people(3, batch));
    const rows = await claimRows(coupon);
    expect(rows.map(row => row.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(rows.map(row => row.user_id)).toEqual([...people(3, 'a'), ...people(3, 'b'), 'c 0']);
  });

  test('raised between two batches it is there for the next, lowered it is not', async () => {
    const coupon = await insertCoupon(sql, { amount: 1 });
    expect((await settleUsers(coupon, ['a', 'b'])).map(inBrief)).toEqual(['granted', 'sold_out']);
    await sql`update coupons set amount = 4, remaining_amount = remaining_amount + 3 where id = ${coupon.id}`;
    expect((await settleUsers(coupon, ['a', 'b', 'c'])).map(inBrief)).toEqual([
      'already_claimed',
      'granted',
      'granted',
    ]);
    await sql`update coupons set amount = 3, remaining_amount = 0 where id = ${coupon.id}`;
    expect((await settleUsers(coupon, ['d'])).map(inBrief)).toEqual(['sold_out']);
    expect((await claimRows(coupon)).map(row => row.sequence)).toEqual([1, 2, 3]);
  });

  test('metadata is kept with the claim', async () => {
    const coupon = await insertCoupon(sql, {});
    const metadata = { a: 1, text: 'quote " \\ \n ☂', list: [null, true] };
    const [first, second] = claimsOf(['a', 'b']) as [JobClaim, JobClaim];
    await settleClaims(coupon, [[first[0], first[1], first[2], JSON.stringify(metadata)], second]);
    const rows = await sql`select metadata from claims where coupon_name = ${coupon.name} order by sequence`;
    expect(rows.map(row => row.metadata)).toEqual([metadata, null]);
  });

  test('people and coupons are told apart by every byte of their names', async () => {
    const coupon = await insertCoupon(sql, { name: `"quoted" 'name' \\ ☂ 🎟 \n %s ${randomUUID()}` });
    expect((await settleUsers(coupon, awkwardUsers)).map(inBrief)).toEqual(awkwardUsers.map(() => 'granted'));
    expect((await claimRows(coupon)).map(row => row.user_id)).toEqual(awkwardUsers);
    const again = await settleUsers(coupon, awkwardUsers);
    expect(again.map(inBrief)).toEqual(awkwardUsers.map(() => 'already_claimed'));
    expect(again.map(decision => decision.userId)).toEqual(awkwardUsers);
  });
});

describe('a job that runs twice', () => {
  test('gets identical outcomes, and nothing is taken again', async () => {
    const coupon = await insertCoupon(sql, { amount: 3 });
    await settleUsers(coupon, ['early']);
    const claims = claimsOf(['early', ...people(4)]);
    const first = await settleClaims(coupon, claims);
    const before = [await claimRows(coupon), await readCouponRow(sql, coupon.name)];
    // Whatever happened to the coupon meanwhile.
    await sql`update coupons set status = 'paused', amount = 9, remaining_amount = 6 where id = ${coupon.id}`;
    const second = await settleClaims(coupon, claims);
    const timeless = (decisions: Map<string, Decision>) =>
      [...decisions].map(([ticket, decision]) => [ticket, { ...decision, decidedAtMs: 0 }]);
    expect(timeless(second.decisions)).toEqual(timeless(first.decisions));
    expect(await claimRows(coupon)).toEqual(before[0]);
    expect(await readCouponRow(sql, coupon.name)).toMatchObject({ remaining_amount: 6, granted_count: 3 });
  });

  test('gets the time of the decision, not of the rerun', async () => {
    const coupon = await insertCoupon(sql, { amount: 1 });
    const claims = claimsOf(['a', 'b']);
    const first = await settleClaims(coupon, claims);
    await sql`update claims set created_at = created_at - interval '1 minute' where coupon_name = ${coupon.name}`;
    await sql`update refusals set decided_at = decided_at - interval '1 minute' where coupon_id = ${coupon.id}`;
    const second = await settleClaims(coupon, claims);
    for (const [ticket] of claims)
      expect(second.decisions.get(ticket)?.decidedAtMs).toBeLessThan(
        (first.decisions.get(ticket)?.decidedAtMs ?? 0) - 50_000,
      );
  });

  test('may have new claims in its company, in any order', async () => {
    const coupon = await insertCoupon(sql, { amount: 4 });
    const old = claimsOf(people(2, 'old'));
    await settleClaims(coupon, old);
    const fresh = claimsOf(people(3, 'new'));
    const mixed = [fresh[0], old[1], fresh[1], old[0], fresh[2]] as JobClaim[];
    const { decisions } = await settleClaims(coupon, mixed);
    expect(mixed.map(([ticket]) => inBrief(decisions.get(ticket)))).toEqual([
      'granted',
      'granted',
      'granted',
      'granted',
      'sold_out',
    ]);
    expect((await claimRows(coupon)).map(row => row.user_id)).toEqual(['old 0', 'old 1', 'new 0', 'new 1']);
  });
});

describe('a person', () => {
  test('gets one, also of two claims in one batch; the second is told which', async () => {
    const coupon = await insertCoupon(sql, {});
    const claims = claimsOf(['ada', 'eve', 'ada']);
    const { decisions } = await settleClaims(coupon, claims);
    expect(decisions.get((claims[2] as JobClaim)[0])).toMatchObject({
      reason: 'already_claimed',
      heldTicket: (claims[0] as JobClaim)[0],
    });
    expect((await claimRows(coupon)).map(row => row.user_id)).toEqual(['ada', 'eve']);
    const [later] = await settleUsers(coupon, ['ada']);
    expect(later).toMatchObject({ reason: 'already_claimed', heldTicket: (claims[0] as JobClaim)[0] });
  });

  test.each<[string, Partial<Parameters<typeof insertCoupon>[1]>, string]>([
    ['sold out', { remaining_amount: 0 }, 'sold_out'],
    ['paused', { status: 'paused' }, 'paused'],
    ['ended', { status: 'ended' }, 'ended'],
  ])(
    'who gets nothing of a coupon that is %s holds none: each of their claims is told why',
    async (_, facts, reason) => {
      const coupon = await insertCoupon(sql, facts);
      expect((await settleUsers(coupon, ['ada', 'eve', 'ada'])).map(inBrief)).toEqual([
        reason,
        reason,
        reason,
      ]);
    },
  );

  test('gets as many as the limit says, in one batch or several', async () => {
    const coupon = await insertCoupon(sql, { per_user_limit: 3 });
    const first = await settleUsers(coupon, ['ada', 'ada', 'eve']);
    expect(first).toMatchObject([{ held: 1 }, { held: 2 }, { held: 1 }]);
    const second = await settleUsers(coupon, ['ada', 'ada', 'eve', 'ada']);
    expect(second.map(inBrief)).toEqual(['granted', 'already_claimed', 'granted', 'already_claimed']);
    const rows = await claimRows(coupon);
    expect(rows.map(row => [row.user_id, row.ordinal])).toEqual([
      ['ada', 1],
      ['ada', 2],
      ['eve', 1],
      ['ada', 3],
      ['eve', 2],
    ]);
    const held = second.map(decision => decision.status === 'refused' && decision.heldTicket);
    const adas = rows.filter(row => row.user_id === 'ada').map(row => row.ticket);
    expect(adas).toContain(held[1]);
    expect(adas).toContain(held[3]);
  });

  test('whose limit is not reached when the stock is gone is told that', async () => {
    const coupon = await insertCoupon(sql, { amount: 2, per_user_limit: 3 });
    expect((await settleUsers(coupon, Array(5).fill('ada'))).map(inBrief)).toEqual([
      ...['granted', 'granted'],
      ...['sold_out', 'sold_out', 'sold_out'],
    ]);
  });

  test('may claim again when their claim was deleted by hand, and not when one was inserted', async () => {
    const coupon = await insertCoupon(sql, { amount: 5 });
    await settleUsers(coupon, ['ada']);
    await sql`delete from claims where coupon_name = ${coupon.name}`;
    await sql`insert into claims (user_id, coupon_name) values ('eve', ${coupon.name})`;
    const [ada, eve] = await settleUsers(coupon, ['ada', 'eve']);
    expect(ada).toMatchObject({ status: 'granted', sequence: 3 });
    expect(eve).toMatchObject({ reason: 'already_claimed', heldTicket: null });
  });
});

describe('the state of the sale', () => {
  const hour = (hours: number) => sql`now() + ${hours} * interval '1 hour'`;

  test('follows the database clock', async () => {
    const coupon = await insertCoupon(sql, {});
    const setWindow = (from: ReturnType<typeof hour> | null, to: ReturnType<typeof hour> | null) =>
      sql`update coupons set starts_at = ${from}, ends_at = ${to} where id = ${coupon.id}`;
    const cases: [number | null, number | null, string][] = [
      [1, 2, 'not_started'],
      [1, null, 'not_started'],
      [-2, -1, 'ended'],
      [null, -1, 'ended'],
      [-1, 1, 'granted'],
      [null, 1, 'granted'],
      [-1, null, 'granted'],
    ];
    for (const [i, [from, to, expected]] of cases.entries()) {
      await setWindow(from === null ? null : hour(from), to === null ? null : hour(to));
      expect([from, to, ...(await settleUsers(coupon, [`person ${i}`])).map(inBrief)]).toEqual([
        from,
        to,
        expected,
      ]);
    }
  });

  test('already_claimed comes first, then paused, ended, not_started, sold_out', async () => {
    const coupon = await insertCoupon(sql, { amount: 1 });
    expect((await settleUsers(coupon, ['holder'])).map(inBrief)).toEqual(['granted']);
    const reasons = async () => (await settleUsers(coupon, ['holder', 'new'])).map(inBrief);
    expect(await reasons()).toEqual(['already_claimed', 'sold_out']);
    await sql`update coupons set starts_at = ${hour(1)} where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'not_started']);
    await sql`update coupons set status = 'ended' where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'ended']);
    await sql`update coupons set status = 'paused' where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'paused']);
    await sql`update coupons set starts_at = ${hour(-2)}, ends_at = ${hour(-1)} where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'paused']);
    await sql`update coupons set status = 'active' where id = ${coupon.id}`;
    expect(await reasons()).toEqual(['already_claimed', 'ended']);
  });

  test('of a coupon that does not exist nothing is granted, and the refusal keeps the name it had', async () => {
    const gone = { id: randomUUID(), name: 'a name that was' };
    const claims = claimsOf(['ada', 'ada', 'eve']);
    const news = await settleClaims(gone, claims);
    expect(news).toMatchObject({ couponId: gone.id, couponName: gone.name, state: null });
    expect(claims.map(([ticket]) => inBrief(news.decisions.get(ticket)))).toEqual(
      Array(3).fill('coupon_not_found'),
    );
    const rows = await sql`select distinct coupon_name, reason from refusals where coupon_id = ${gone.id}`;
    expect([...rows]).toEqual([{ coupon_name: gone.name, reason: 'coupon_not_found' }]);
  });

  test('a coupon of the same name is another coupon', async () => {
    const coupon = await insertCoupon(sql, {});
    await settleUsers(coupon, ['ada']);
    await sql`delete from coupons where id = ${coupon.id}`;
    const successor = await insertCoupon(sql, { name: coupon.name });
    expect((await settleUsers(coupon, ['eve'])).map(inBrief)).toEqual(['coupon_not_found']);
    expect((await settleUsers(successor, ['ada'])).map(inBrief)).toEqual(['granted']);
  });

  test('a coupon that is renamed keeps its claims and its lane', async () => {
    const coupon = await insertCoupon(sql, {});
    const claims = claimsOf(['ada']);
    const first = await settleClaims(coupon, claims);
    const name = `renamed ${coupon.name}`;
    await sql`update coupons set name = ${name} where id = ${coupon.id}`;
    const again = await settleClaims(coupon, claims);
    expect(again.couponName).toBe(name);
    const [ticket] = claims[0] as JobClaim;
    expect(again.decisions.get(ticket)).toMatchObject({ status: 'granted', sequence: 1 });
    expect(first.decisions.get(ticket)).toMatchObject({ status: 'granted', sequence: 1 });
  });
});

describe('a job that is dead', () => {
  test('leaves failed tickets, which a later settle decides', async () => {
    const coupon = await insertCoupon(sql, { amount: 2 });
    const decided = claimsOf(['granted', 'granted']);
    await settleClaims(coupon, decided);
    const fresh = claimsOf(['ada', 'eve']);
    const batch = { couponId: coupon.id, couponName: coupon.name, claims: [...decided, ...fresh] };
    await fail(sql, batch);
    await fail(sql, batch);
    const reasons = () => sql<{ user_id: string; reason: string }[]>`
      select user_id, reason from refusals where coupon_id = ${coupon.id} order by user_id`;
    expect((await reasons()).map(row => [row.user_id, row.reason])).toEqual([
      ['ada', 'failed'],
      ['eve', 'failed'],
      ['granted', 'already_claimed'],
    ]);
    const { decisions } = await settleClaims(coupon, fresh);
    expect(fresh.map(([ticket]) => inBrief(decisions.get(ticket)))).toEqual(['granted', 'sold_out']);
    const [ada] = fresh[0] as JobClaim;
    expect((await reasons()).find(row => row.user_id === 'eve')?.reason).toBe('sold_out');
    // A ticket has one outcome: what failed before it was granted is no refusal of it.
    await fail(sql, batch);
    expect((await settleClaims(coupon, fresh)).decisions.get(ada)).toMatchObject({ status: 'granted' });
  });
});

describe('at once', () => {
  test('8 settles of overlapping batches never grant too much or twice, and agree', {
    timeout: 60_000,
  }, async () => {
    for (const seed of [1, 2, 3]) {
      const random = seededRandom(seed);
      const pools = Array.from({ length: 8 }, () => workerPool(1));
      const coupon = await insertCoupon(sql, { amount: 120 });
      // 150 people with two tickets each.
      const claims = claimsOf([...people(150), ...people(150)]);
      const answers: Map<string, Decision>[] = [];
      await Promise.all(
        pools.map(async pool => {
          for (let run = 0; run < 6; run++) {
            const batch = claims.filter(() => random.chance(0.4)).sort(() => random.below(2) - 0.5);
            answers.push((await settleClaims(coupon, batch, pool)).decisions);
          }
        }),
      );
      answers.push((await settleClaims(coupon, claims)).decisions);
      await Promise.all(pools.map(pool => closePool(pool, 1)));

      const final = answers.at(-1) as Map<string, Decision>;
      for (const decisions of answers)
        for (const [ticket, decision] of decisions) {
          const stable = ({ decidedAtMs: _at, ...rest }: Decision) => rest;
          expect(stable(decision)).toEqual(stable(final.get(ticket) as Decision));
        }
      const rows = await claimRows(coupon);
      expect(rows.map(row => row.sequence)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
      expect(new Set(rows.map(row => row.user_id)).size).toBe(120);
      const granted = [...final].filter(([, decision]) => decision.status === 'granted');
      expect(granted.map(([ticket]) => ticket).sort()).toEqual(rows.map(row => row.ticket).sort());
      expect(await readCouponRow(sql, coupon.name)).toMatchObject({
        remaining_amount: 0,
        granted_count: 120,
        claimed_count: 120,
      });
    }
  });

  test('a coupon that is changed all the while still gives everybody an outcome, and no more than there is', async () => {
    const coupon = await insertCoupon(sql, { amount: 50 });
    const pools = Array.from({ length: 4 }, () => workerPool(1));
    let isOver = false;
    const changing = (async () => {
      for (let amount = 51; !isOver; amount++) {
        await sql`update coupons set amount = amount + 1, remaining_amount = remaining_amount + 1 where id = ${coupon.id}`;
      }
    })();
    const outcomes = await Promise.all(
      pools.map(async (pool, i) => {
        const decided: (string | undefined)[] = [];
        for (let run = 0; run < 10; run++) {
          const claims = claimsOf(people(20, `pool ${i} run ${run} person`));
          const { decisions } = await settleClaims(coupon, claims, pool);
          decided.push(...claims.map(([ticket]) => inBrief(decisions.get(ticket))));
        }
        return decided;
      }),
    );
    isOver = true;
    await changing;
    await Promise.all(pools.map(pool => closePool(pool, 1)));
    const granted = outcomes.flat().filter(outcome => outcome === 'granted').length;
    expect(outcomes.flat()).toHaveLength(800);
    expect(outcomes.flat().every(outcome => outcome === 'granted' || outcome === 'sold_out')).toBe(true);
    const row = await readCouponRow(sql, coupon.name);
    expect(row).toMatchObject({ claimed_count: granted, granted_count: granted });
    expect((row?.amount ?? 0) - (row?.remaining_amount ?? 0)).toBe(granted);
    expect((await claimRows(coupon)).map(one => one.sequence)).toEqual(
      Array.from({ length: granted }, (_, i) => i + 1),
    );
  });

  test('a coupon that is truncated in the middle leaves neither grants nor errors', async () => {
    const coupon = await insertCoupon(sql, { amount: 1000 });
    const pools = Array.from({ length: 4 }, () => workerPool(1));
    let settled = 0;
    const outcomes = Promise.all(
      pools.map(async (pool, i) => {
        const decided: (string | undefined)[] = [];
        for (let run = 0; run < 15; run++) {
          const claims = claimsOf(people(10, `pool ${i} run ${run} person`));
          const { decisions } = await settleClaims(coupon, claims, pool);
          settled++;
          decided.push(...claims.map(([ticket]) => inBrief(decisions.get(ticket))));
        }
        return decided;
      }),
    );
    await expect.poll(() => settled, { interval: 1, timeout: 5000 }).toBeGreaterThan(10);
    await sql`truncate coupons cascade`;
    const all = (await outcomes).flat();
    await Promise.all(pools.map(pool => closePool(pool, 1)));
    expect(new Set(all)).toEqual(new Set(['granted', 'coupon_not_found']));
    expect(all.at(-1)).toBe('coupon_not_found');
    const [left] = await sql`select count(*) as n from claims`;
    expect(left?.n).toBe(0);
  });
});

describe('notifications', () => {
  const listening = async (work: (payloads: string[]) => Promise<void>) => {
    const changes = openChanges({ url: database.url, applicationName: 'test listen', onError: () => {} });
    const payloads: string[] = [];
    try {
      await changes.on(SETTLED_CHANNEL, payload => void payloads.push(payload));
      await work(payloads);
      await changes.barrier();
    } finally {
      await changes.close();
    }
    return payloads;
  };
  const wide = {
    '255 characters of four bytes': '🎟'.repeat(255),
    '255 control characters, six bytes each in JSON': '\u0001'.repeat(255),
    '255 quotes': '"'.repeat(255),
  };
  /** A name of the same width for each of many: its last characters differ. */
  const numbered = (text: string, n: number) => {
    const characters = [...text];
    const tail = [...String(n)];
    return [...characters.slice(0, characters.length - tail.length), ...tail].join('');
  };

  test('tell every outcome, as it was answered', async () => {
    const coupon = await insertCoupon(sql, { amount: 700 });
    const claims = claimsOf(people(1000));
    let answered = new Map<string, Decision>();
    const payloads = await listening(async () => {
      answered = (await settleClaims(coupon, claims)).decisions;
    });
    const heard = new Map(payloads.flatMap(payload => [...parseSettled(payload).decisions]));
    expect(heard).toEqual(answered);
    expect(heard.size).toBe(1000);
  });

  test.each(Object.entries(wide))('stay under 8,000 bytes with names and users of %s', async (_, text) => {
    const coupon = await insertCoupon(sql, { name: numbered(text, 1), amount: 1500 });
    const users = Array.from({ length: 2000 }, (__, i) => numbered(text, i));
    const payloads = await listening(async heard => {
      await settleClaims(coupon, claimsOf(users));
      await settleClaims(coupon, claimsOf(users)); // 1,500 of them hold a claim now.
      const dead = { couponId: coupon.id, couponName: coupon.name, claims: claimsOf(users) };
      await fail(sql, dead);
      void heard;
    });
    const outcomes = payloads.reduce((sum, payload) => sum + parseSettled(payload).decisions.size, 0);
    expect(outcomes).toBe(6000);
    expect(Math.max(...payloads.map(payload => Buffer.byteLength(payload)))).toBeLessThan(8000);
    await sql`delete from coupons where id = ${coupon.id}`;
  });

  test('stay under 8,000 bytes where one wide outcome is cut among narrow ones', async () => {
    const [wideUser, name] = [wide['255 control characters, six bytes each in JSON'], '\u0002'.repeat(255)];
    const coupon = await insertCoupon(sql, { name, amount: 2_147_483_647 });
    const random = seededRandom(4);
    const users = Array.from({ length: 2000 }, (_, i) =>
      random.chance(0.1) ? numbered(wideUser, i) : `${i}`,
    );
    const payloads = await listening(async () => {
      await settleClaims(coupon, claimsOf(users));
      await settleClaims(coupon, claimsOf(users));
    });
    expect(payloads.reduce((sum, payload) => sum + parseSettled(payload).decisions.size, 0)).toBe(4000);
    expect(Math.max(...payloads.map(payload => Buffer.byteLength(payload)))).toBeLessThan(8000);
  });
});
