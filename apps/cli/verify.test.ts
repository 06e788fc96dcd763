import { oneAtATime } from '@claimline/db/one-at-a-time';
import { openPool, type Sql } from '@claimline/db/pool';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProcessDatabase, startProcess } from '../testing.ts';

let database: Awaited<ReturnType<typeof createProcessDatabase>>;
let sql: Sql;
beforeAll(async () => {
  database = await createProcessDatabase();
  sql = openPool({ url: database.url, applicationName: 'test verify' });
  await sql`insert into coupons (name, amount) values ('right', 3), ('wrong', 3), ('odd', 3)`;
  await sql`update coupons set remaining_amount = 2 where name = 'wrong'`;
  await sql`insert into claims (user_id, coupon_name) values ('ada', 'odd')`;
  await sql`update coupons set remaining_amount = 2 where name = 'odd'`;
  await sql`delete from claims`;
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

async function run(args: string[], env: Record<string, string> = { DATABASE_URL: database.url }) {
  const cli = startProcess('cli', env, { args });
  const { code } = await cli.exited;
  return { code, out: cli.stdout(), error: cli.stderr() };
}

test('verify: 0 where all holds, 1 where something is violated, and says what', async () => {
  const [all, right, odd, strict] = await Promise.all([
    run(['verify', '--json']),
    run(['verify', '--tables', '--coupon', 'right']),
    run(['verify', '--coupon', 'odd']),
    run(['verify', '--coupon', 'odd', '--strict']),
  ]);
  expect([all.code, right.code, odd.code, strict.code]).toEqual([1, 0, 0, 1]);
  const report = JSON.parse(all.out);
  expect(report).toMatchObject({ ok: false, coupon: null });
  const violated = report.invariants.filter((one: { violations: number }) => one.violations > 0);
  expect(violated).toMatchObject([
    { name: 'remaining-is-what-is-left', violations: 1, notes: 1, rows: [{ coupon: 'wrong' }] },
  ]);
  expect(report.invariants.map((one: { name: string }) => one.name)).toContain('lanes-with-jobs-are-open');
  expect(right.out).toMatch(/^grants-within-amount +ok +\(/m);
  expect(right.out).not.toContain('lanes-with-jobs-are-open');
  // Nothing of seats and bookings belongs to a coupon: they are not said to be well.
  const names = report.invariants.map((one: { name: string }) => one.name);
  expect(names).toEqual(expect.arrayContaining(['reservations-are-whole', 'bookings-are-paid']));
  expect(right.out).not.toMatch(/reservations-are-whole|bookings-are-paid/);
  expect(right.out).toMatch(/every invariant holds, checked in [\d.]+ s\n$/);
  expect(odd.out).toMatch(/^sequence-is-contiguous +ok, 1 noted .*\n {4}noted: \{.*"deleted": ?1/m);
  expect([all.error, right.error, odd.error]).toEqual(['', '', '']);
});

test('verify and reconcile: 2 where nothing could be checked, with what is missing', async () => {
  const away = new URL(database.url);
  away.port = '1';
  const answers = await Promise.all([
    run(['verify'], {}),
    run(['reconcile'], {}),
    run(['verify'], { DATABASE_URL: away.href }),
    run(['verify'], { DATABASE_URL: database.url, REDIS_URL: 'redis://127.0.0.1:1' }),
    run(['verify', '--coupon', 'nobody']),
  ]);
  expect(answers.map(one => one.code)).toEqual([2, 2, 2, 2, 2]);
  expect(answers.map(one => one.out).join('')).toBe('');
  for (const [i, said] of ['DATABASE_URL', 'DATABASE_URL', 'ECONNREFUSED', '', '"nobody"'].entries()) {
    expect(answers[i]?.error).toContain(said);
    expect(answers[i]?.error.trim().split('\n')).toHaveLength(1);
  }
});

test('reconcile: reports beside whoever mends, and repairs alone', async () => {
  const both = () => Promise.all([run(['reconcile']), run(['reconcile', '--repair'])]);
  const [report, refused] = (await oneAtATime(database.url, 'reconcile', both))!;
  expect(refused).toEqual({ code: 2, out: '', error: 'another process repairs at this moment\n' });
  expect(report.code).toBe(1);
  expect(report.out).toMatch(
    /^remaining-is-what-is-left: \{.*"wrong".*\n {4}set counters and stock by the claims$/m,
  );
  expect(report.out).toMatch(/1 found, 1 left; --repair puts right what it can\n$/);
  const repaired = await run(['reconcile', '--repair', '--json']);
  expect(repaired.code).toBe(0);
  expect(JSON.parse(repaired.out)).toMatchObject({
    drift: [{ coupon: 'wrong', invariant: 'remaining-is-what-is-left' }],
    done: [expect.stringMatching(/^wrong: .*"remaining_amount":3/)],
    left: 0,
  });
  // A claim that was deleted by hand, whose unit stays withheld: said, and no reason to fail.
  const noted = await run(['reconcile', '--repair']);
  expect(noted.code).toBe(0);
  expect(noted.out).toMatch(
    /^noted: remaining-is-what-is-left: \{.*"odd".*\n {4}this is allowed\n0 found, 0 left\n$/,
  );
  expect((await run(['verify'])).code).toBe(0);
});
