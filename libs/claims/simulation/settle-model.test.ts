import { randomUUID } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { plainStatement } from '../settle.ts';
import { openSettleDatabase } from '../testing-settle.ts';
import { failModel, type SettleParameters, settleModel } from './settle-model.ts';
import { createTables, type Tables } from './tables.ts';

const failStatement = sqlFile(import.meta.url, '../fail.sql');

const runs = 300;
const hourMs = 3_600_000;
const users = ['ada', 'eve', 'kim', "o'neil ☂"];

/** A step on both sides: a batch of new and of earlier claims, tickets that failed, or a change by hand. */
type Step =
  | { kind: 'settle' | 'fail'; fresh: number[]; again: number[] }
  | { kind: 'change'; to: Partial<Record<'amount' | 'limit' | 'status' | 'starts' | 'ends', number>> }
  | { kind: 'let go'; user: number }
  | { kind: 'replace'; amount: number }
  | { kind: 'remove' };

const index = fc.nat({ max: users.length - 1 });
const batch = {
  fresh: fc.array(index, { maxLength: 7, size: 'max' }),
  again: fc.array(fc.nat({ max: 30 }), { maxLength: 4 }),
};
const settling: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('settle' as const), ...batch });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: settling },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), ...batch }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      to: fc.record(
        {
          amount: fc.integer({ min: 1, max: 4 }),
          limit: fc.integer({ min: 1, max: 3 }),
          status: fc.nat({ max: 4 }),
          starts: fc.constantFrom(0, -2, 1),
          ends: fc.constantFrom(0, -1, 2),
        },
        { requiredKeys: [] },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('let go' as const), user: index }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('replace' as const), amount: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'remove' as const }) },
);

let database: Awaited<ReturnType<typeof openSettleDatabase>>;
beforeAll(async () => {
  database = await openSettleDatabase();
});
afterAll(() => database.close());

test('the model of settle does what settle.sql does', { timeout: 120_000 }, async () => {
  const property = fc.asyncProperty(
    fc.integer({ min: 1, max: 8 }),
    fc.integer({ min: 1, max: 3 }),
    fc.array(step, { minLength: 2, maxLength: 9, size: 'max' }),
    async (amount, limit, steps) => {
      const pair = await openPair(database.sql, { amount, limit });
      for (const one of steps) await pair.take(one);
    },
  );
  await fc.assert(property, { numRuns: runs, seed: 1 });
});

/** The real tables and the model, with the same coupon in them. */
async function openPair(sql: Sql, { amount, limit }: { amount: number; limit: number }) {
  const name = `coupon ${randomUUID()}`;
  const tables = createTables(() => Date.now(), { committed() {}, notify() {} });
  const issued: [ticket: string, userId: string][] = [];

  async function insert(values: { amount: number; limit: number }) {
    const [row] = await sql<{ id: string }[]>`
      insert into coupons (name, amount, remaining_amount, per_user_limit)
      values (${name}, ${values.amount}, ${values.amount}, ${values.limit}) returning id`;
    tables.insert({ id: row?.id as string, name, ...values });
  }
  await insert({ amount, limit });
  let couponId = tables.rows.coupons.get(name)?.id as string;

  async function run({ kind, fresh, again }: Extract<Step, { fresh: number[] }>) {
    const chosen = issued.filter((_, i) => again.includes(i));
    const made = fresh.map((user): [string, string] => [nextTicket(), users[user] as string]);
    issued.push(...made);
    const claims = [...chosen, ...made];
    if (claims.length === 0) return;
    const [tickets, people] = [claims.map(([ticket]) => ticket), claims.map(([, user]) => user)];
    if (kind === 'fail') {
      const parameters: [string, string, string[], string[]] = [couponId, name, tickets, people];
      const real = await sql.unsafe<{ payload: string }[]>(failStatement, parameters);
      const model = failModel(tables, parameters);
      return expect(inBrief(model === null ? [] : [model])).toEqual(inBrief(real.map(row => row.payload)));
    }
    const parameters: SettleParameters = [couponId, tickets, people, people.map(() => null), name];
    const real = await sql.unsafe<{ payload: string }[]>(plainStatement, parameters);
    const model = settleModel(tables, tables.rows, parameters);
    expect(inBrief(model === null ? [] : [model])).toEqual(inBrief(real.map(row => row.payload)));
  }

  async function change({ to }: Extract<Step, { kind: 'change' }>) {
    const coupon = tables.rows.coupons.get(name);
    if (!coupon) return;
    const by = Math.max(to.amount ?? 0, 0);
    const values = {
      amount: coupon.amount + by,
      remaining: coupon.remaining + by,
      limit: to.limit ?? coupon.limit,
      status: (['active', 'active', 'active', 'paused', 'ended'] as const)[to.status ?? 0] ?? 'active',
      startsAtMs: to.starts ? Date.now() + to.starts * hourMs : null,
      endsAtMs: to.ends ? Date.now() + to.ends * hourMs : null,
    };
    if (values.startsAtMs && values.endsAtMs && values.startsAtMs >= values.endsAtMs) return;
    const at = (ms: number | null) => (ms === null ? null : new Date(ms));
    await sql`
      update coupons set amount = ${values.amount}, remaining_amount = ${values.remaining},
        per_user_limit = ${values.limit}, status = ${values.status},
        starts_at = ${at(values.startsAtMs)}, ends_at = ${at(values.endsAtMs)}
      where name = ${name}`;
    tables.change(name, values);
  }

  async function remove() {
    await sql`delete from coupons where name = ${name}`;
    tables.remove(name);
  }

  async function act(one: Step) {
    if ('fresh' in one) return run(one);
    if (one.kind === 'change') return change(one);
    if (one.kind === 'let go') {
      const user = users[one.user] as string;
      await sql`delete from claims where coupon_name = ${name} and user_id = ${user}`;
      return tables.letGo(name, user);
    }
    await remove();
    if (one.kind === 'remove') return;
    await insert({ amount: one.amount, limit: 1 });
    // Some of what comes is still for the coupon that is gone.
    if (one.amount % 2 === 0) couponId = tables.rows.coupons.get(name)?.id as string;
  }

  return {
    async take(one: Step) {
      await act(one);
      expect(await readRows(sql, name)).toEqual(readModel(tables, name));
    },
  };
}

let tickets = 0;
function nextTicket(): string {
  return `tkt_${String(++tickets).padStart(9, '0')}`;
}

/** A payload without its times and its claims' numbers, but for whether an outcome was known before. */
function inBrief(payloads: string[]) {
  const parts = payloads.map(payload => JSON.parse(payload));
  const outcomes = parts.flatMap(part =>
    part.outcomes.map(([ticket, userId, kind, ...rest]: [string, string, string, ...unknown[]]) => {
      if (kind === 'g') return [ticket, userId, kind, rest[0], rest[2], rest[3] !== undefined];
      return [ticket, userId, kind, rest[0] ?? null, rest[1] ?? null, (rest[2] ?? null) !== null];
    }),
  );
  const { at: _at, outcomes: _outcomes, ...state } = parts[0] ?? {};
  return { state, outcomes: outcomes.sort() };
}

async function readRows(sql: Sql, name: string) {
  const coupons = await sql`
    select id, amount, remaining_amount as remaining, granted_count as granted, claimed_count as claimed,
      per_user_limit as limit, status, revision, epoch, claims_epoch as "claimsEpoch"
    from coupons where name = ${name}`;
  const claims = await sql`
    select user_id as "userId", ordinal, sequence, ticket from claims where coupon_name = ${name} order by sequence`;
  const refusals = await sql`
    select ticket, coupon_id as "couponId", user_id as "userId", reason from refusals
    where coupon_name = ${name} order by ticket collate "C"`;
  return { coupons: [...coupons], claims: [...claims], refusals: [...refusals] };
}

function readModel({ rows }: Tables, name: string) {
  const { coupons, claims, refusals } = rows;
  const coupon = coupons.get(name);
  return {
    coupons: coupon ? [(({ name: _, startsAtMs: _s, endsAtMs: _e, ...rest }) => rest)({ ...coupon })] : [],
    claims: claims
      .filter(claim => claim.couponName === name)
      .map(({ userId, ordinal, sequence, ticket }) => ({ userId, ordinal, sequence, ticket }))
      .sort((a, b) => a.sequence - b.sequence),
    refusals: [...refusals.values()]
      .map(({ ticket, couponId, userId, reason }) => ({ ticket, couponId, userId, reason }))
      .sort((a, b) => (a.ticket < b.ticket ? -1 : 1)),
  };
}
