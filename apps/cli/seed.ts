import { oneAtATime } from '@claimline/db/one-at-a-time';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { openTransactions } from '@claimline/db/transaction';
import { openProgressBar } from './progress-bar.ts';
import { assertSizes, planBites, type SeedSizes, seedPrefix } from './seed/plan.ts';
import { isStored, storeBite } from './seed/store-bite.ts';
import { withStores } from './stores.ts';

export type SeedOptions = { users: string; coupons: string; codes: string; seed: string; beside?: true };

/** Sorting and joining a bite stays in memory. */
const WORK_MEMORY = '128MB';
const MARK = 'seeded';

/** `claimline seed`. */
export async function runSeed(options: SeedOptions): Promise<void> {
  const { users, coupons, codes, seed, beside: isBeside = false } = options;
  const sizes = { users: Number(users), coupons: Number(coupons), codes: Number(codes), seed: Number(seed) };
  assertSizes(sizes);
  await withStores(async ({ databaseUrl, sql }) => {
    const seconds = await seedDatabase({ databaseUrl, sql }, sizes, isBeside);
    process.stdout.write(
      `${sizes.coupons} coupons with ${sizes.codes} codes among ${sizes.users} people, in ${seconds.toFixed(1)} s\n`,
    );
  });
}

/**
 * Fills a database with coupons, codes, claims and uses as if they had come about, to try and to measure on. What
 * is there already of the same seed is left as it is, so it may be run again after a crash. Answers with the
 * seconds it took.
 *
 * @param isBeside also where there is other data, which is left alone
 * @throws Error when that is refused, or another process is at it
 */
export async function seedDatabase(
  { databaseUrl, sql }: { databaseUrl: string; sql: Sql },
  sizes: SeedSizes,
  isBeside: boolean,
): Promise<number> {
  const seconds = await oneAtATime(databaseUrl, 'seed', async () => {
    await assertRoom(sql, sizes, isBeside);
    return fill(sql, databaseUrl, sizes);
  });
  if (seconds === undefined) throw new Error('another process is seeding this database');
  return seconds;
}

/** Refuses what would mix with the data of somebody, or with a seed of other sizes. */
async function assertRoom(sql: Sql, sizes: SeedSizes, isBeside: boolean): Promise<void> {
  const mark = JSON.stringify(sizes);
  const key = `${MARK} ${sizes.seed}`;
  const [before] = await sql<{ value: string }[]>`select value from installation where key = ${key}`;
  if (before && before.value !== mark)
    throw new Error(`seed ${sizes.seed} is there already with other sizes: ${before.value}`);
  const [stranger] = await sql<{ name: string }[]>`
    select name from coupons where not starts_with(name, ${seedPrefix(sizes.seed)}) limit 1`;
  if (stranger && !isBeside)
    throw new Error(
      `the database has other data, such as coupon "${stranger.name}": --beside leaves it alone`,
    );
  await sql`insert into installation (key, value) values (${key}, ${mark}) on conflict (key) do nothing`;
}

/** Answers with the seconds it took. */
async function fill(sql: Sql, databaseUrl: string, sizes: SeedSizes): Promise<number> {
  const startedMs = performance.now();
  const bar = openProgressBar();
  const transactions = openTransactions({
    url: databaseUrl,
    applicationName: 'claimline seed',
    max: 1,
    statementTimeoutMs: 0,
    settings: { work_mem: WORK_MEMORY, jit: 'off' },
  });
  try {
    let done = 0;
    for (const bite of planBites(sizes)) {
      bar.onProgress(done, sizes.codes, 'codes');
      if (!(await isStored(sql, bite))) await storeBite(transactions, sizes, bite);
      done += bite.reduce((sum, coupon) => sum + coupon.codes, 0);
    }
    bar.onProgress(done, sizes.codes, 'tidying');
    await tidy(databaseUrl);
  } finally {
    bar.clear();
    await transactions.close();
  }
  return (performance.now() - startedMs) / 1000;
}

/** What autovacuum would do in the next minutes, so that the first plans and lookups are as good as the later ones. */
async function tidy(databaseUrl: string): Promise<void> {
  const sql = openPool({
    url: databaseUrl,
    applicationName: 'claimline seed',
    max: 1,
    statementTimeoutMs: 0,
  });
  try {
    await sql`vacuum (analyze) coupons, codes, claims, assignments, redemptions, code_audit`;
  } finally {
    await closePool(sql, 1);
  }
}
