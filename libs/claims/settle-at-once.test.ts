import { closePool, type Sql } from '@claimline/db/pool';
import { transaction } from '@claimline/db/transaction';
import { pause } from '@claimline/kernel/backoff';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Decision } from './outcome.ts';
import { seededRandom } from './testing.ts';
import {
  claimRows,
  claimsOf,
  inBrief,
  insertCoupon,
  openSettleDatabase,
  people,
  readCouponRow,
  settleClaims,
  settleUsers,
} from './testing-settle.ts';

let database: Awaited<ReturnType<typeof openSettleDatabase>>;
let sql: Sql;
beforeAll(async () => {
  database = await openSettleDatabase();
  sql = database.sql;
});
afterAll(() => database.close());

/** Resolves when a statement waits for a lock. */
async function someoneWaits(sql: Sql): Promise<void> {
  const waiting = () => sql`
    select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  while ((await waiting()).length === 0) await pause(10);
}

describe('at once', () => {
  test('a coupon whose row is locked delays no settle of another, with a connection less', async () => {
    const [locked, free] = [await insertCoupon(sql, {}), await insertCoupon(sql, { amount: 202 })];
    const patient = database.open(2, { lock_timeout: '0', statement_timeout: '0' });
    // A statement that a connection has not prepared yet has it alone at its first run.
    await Promise.all(people(2, 'first').map(user => settleUsers(patient, free, [user])));
    const { waiting } = await transaction(database.url, async tx => {
      await tx`select from coupons where id = ${locked.id} for update`;
      const waiting = settleUsers(patient, locked, ['ada']);
      await someoneWaits(sql);
      const settled = await Promise.all(people(200).map(user => settleUsers(patient, free, [user])));
      expect(settled.flat().map(inBrief)).toEqual(Array(200).fill('granted'));
      return { waiting };
    });
    expect((await waiting).map(inBrief)).toEqual(['granted']);
    await closePool(patient);
  });

  test('8 settles of overlapping batches never grant too much or twice, and agree', {
    timeout: 60_000,
  }, async () => {
    for (const seed of [1, 2, 3]) {
      const random = seededRandom(seed);
      const pools = Array.from({ length: 8 }, () => database.open(1));
      const coupon = await insertCoupon(sql, { amount: 120 });
      // 150 people with two tickets each.
      const claims = claimsOf([...people(150), ...people(150)]);
      const answers: Map<string, Decision>[] = [];
      await Promise.all(
        pools.map(async pool => {
          for (let run = 0; run < 6; run++) {
            const batch = claims.filter(() => random.chance(0.4)).sort(() => random.below(2) - 0.5);
            answers.push((await settleClaims(pool, coupon, batch)).decisions);
          }
        }),
      );
      answers.push((await settleClaims(sql, coupon, claims)).decisions);
      await Promise.all(pools.map(pool => closePool(pool, 1)));

      const final = answers.at(-1) as Map<string, Decision>;
      for (const decisions of answers)
        for (const [ticket, decision] of decisions) {
          const stable = ({ decidedAtMs: _at, ...rest }: Decision) => rest;
          expect(stable(decision)).toEqual(stable(final.get(ticket) as Decision));
        }
      const rows = await claimRows(sql, coupon);
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
    const pools = Array.from({ length: 4 }, () => database.open(1));
    let isOver = false;
    const changing = (async () => {
      while (!isOver) {
        await sql`update coupons set amount = amount + 1, remaining_amount = remaining_amount + 1 where id = ${coupon.id}`;
      }
    })();
    const outcomes = await Promise.all(
      pools.map(async (pool, i) => {
        const decided: (string | undefined)[] = [];
        for (let run = 0; run < 10; run++) {
          const claims = claimsOf(people(20, `pool ${i} run ${run} person`));
          const { decisions } = await settleClaims(pool, coupon, claims);
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
    expect((await claimRows(sql, coupon)).map(one => one.sequence)).toEqual(
      Array.from({ length: granted }, (_, i) => i + 1),
    );
  });

  test('a coupon that is truncated in the middle leaves neither grants nor errors', async () => {
    const coupon = await insertCoupon(sql, { amount: 1000 });
    const pools = Array.from({ length: 4 }, () => database.open(1));
    let settled = 0;
    const outcomes = Promise.all(
      pools.map(async (pool, i) => {
        const decided: (string | undefined)[] = [];
        for (let run = 0; run < 15; run++) {
          const claims = claimsOf(people(10, `pool ${i} run ${run} person`));
          const { decisions } = await settleClaims(pool, coupon, claims);
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
