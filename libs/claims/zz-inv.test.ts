import type { Sql } from '@claimline/db/pool';
import { describeOnEngine, type EngineKind } from '@claimline/queue/testing';
import { expect, test } from 'vitest';
import { type Random, seededRandom } from './testing.ts';
import { type Answer, createPassThroughGate, openHouse } from './testing-house.ts';

const seeds = Array.from({ length: 25 }, (_, i) => i + 200);
const stepsPerRun = 90;
const people = ['ada', 'eve', 'kim', 'two words', 'ünïcødé ☂', "o'neil"];
const coupons = ['one', 'other "coupon"', 'late'];

for (const kind of ['redis', 'postgres'] as const)
  describeOnEngine(kind, () => {
    test.each(seeds)(
      'the gate may only refuse what settle would refuse (seed %i)',
      { timeout: 60_000 },
      async seed => {
        const withGate = await run(kind, seed, true);
        const without = await run(kind, seed, false);
        expect(withGate.steps.length).toBe(stepsPerRun);
        for (const [i, step] of withGate.steps.entries()) expect([i, without.steps[i]]).toEqual([i, step]);
        expect(without.claims).toEqual(withGate.claims);
        expect(without.coupons).toEqual(withGate.coupons);
      },
    );
  });

/** Runs one workload, the same for the same seed, and answers with what everybody was told and what is stored. */
async function run(kind: EngineKind, seed: number, isGated: boolean) {
  const house = await openHouse(kind, gate => (isGated ? gate : createPassThroughGate()));
  try {
    await house.startWork();
    const { sql } = house;
    for (const name of coupons) await insert(sql, name, 3);
    const random = seededRandom(seed);
    const steps: string[] = [];
    while (steps.length < stepsPerRun) {
      const name = random.pick(coupons);
      if (random.chance(0.65)) {
        const userId = random.pick(people);
        const answer = await house.claim(name, userId);
        await expectHeld(sql, name, userId, answer);
        steps.push(`${userId} claims ${name}: ${answer.outcome} ${answer.sequence ?? ''}`);
      } else {
        const [what, change] = random.pick(changes);
        await change(sql, name, random);
        steps.push(`${name}: ${what}`);
      }
    }
    expect(house.errors).toEqual([]);
    return {
      steps,
      claims: [...(await sql`select user_id, coupon_name, ordinal, sequence from claims order by 2, 4`)],
      coupons: [...(await sql`select name, amount, remaining_amount, granted_count from coupons order by 1`)],
    };
  } finally {
    await house.close();
  }
}

/** Who is refused as a holder is told a ticket that is theirs. */
async function expectHeld(sql: Sql, name: string, userId: string, answer: Answer): Promise<void> {
  if (answer.outcome !== 'already_claimed' || answer.ticket === null) return;
  const held = await sql`
    select 1 as held from claims where ticket = ${answer.ticket} and user_id = ${userId} and coupon_name = ${name}`;
  expect(held).toHaveLength(1);
}

function insert(sql: Sql, name: string, amount: number) {
  return sql`
    insert into coupons (name, amount, remaining_amount) values (${name}, ${amount}, ${amount})
    on conflict do nothing`;
}

/** What merchants and operators do to a coupon, through the API or by hand. */
const changes: [string, (sql: Sql, name: string, random: Random) => Promise<unknown>][] = [
  ...['raised', 'raised', 'raised'].map((what): (typeof changes)[number] => [
    what,
    (sql, name) => sql`
      update coupons set amount = amount + 2, remaining_amount = remaining_amount + 2 where name = ${name}`,
  ]),
  [
    'emptied',
    (sql, name) => sql`
    update coupons set amount = greatest(amount - remaining_amount, 1), remaining_amount = 0 where name = ${name}`,
  ],
  ['paused', (sql, name) => sql`update coupons set status = 'paused' where name = ${name}`],
  ['ended', (sql, name) => sql`update coupons set status = 'ended' where name = ${name}`],
  ...['opened', 'opened', 'opened'].map((what): (typeof changes)[number] => [
    what,
    (sql, name) => sql`
      update coupons set status = 'active', starts_at = null, ends_at = null where name = ${name}`,
  ]),
  [
    'to start in an hour',
    (sql, name) => sql`
    update coupons set starts_at = now() + interval '1 hour', ends_at = null where name = ${name}`,
  ],
  [
    'over since an hour',
    (sql, name) => sql`
    update coupons set starts_at = null, ends_at = now() - interval '1 hour' where name = ${name}`,
  ],
  [
    'limited to one or two',
    (sql, name, random) => sql`
    update coupons set per_user_limit = ${1 + random.below(2)} where name = ${name}`,
  ],
  [
    'a person let go',
    (sql, name, random) => sql`
    delete from claims where coupon_name = ${name} and user_id = ${random.pick(people)}`,
  ],
  [
    'a person written in',
    (sql, name, random) => sql`
    insert into claims (user_id, coupon_name) select ${random.pick(people)}, name from coupons where name = ${name}
    on conflict do nothing`,
  ],
  ['gone', (sql, name) => sql`delete from coupons where name = ${name}`],
  ['there again', (sql, name) => insert(sql, name, 3)],
  ['all claims gone', sql => sql`truncate claims`],
];
