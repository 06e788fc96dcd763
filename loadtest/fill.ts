import { closePool, openPool, type Sql } from '@claimline/db/pool';

/** What a fill stored, and how long it took, `vacuum` included. */
export type Fill = { claims: number; coupons: number; seconds: number; megabytes: number };

const CLAIMS_PER_COUPON = 100_000;
/** Spread over the eight hex digits that the load generator's people begin with, so that new ones fall in between. */
const PERSON_SPACE = 2 ** 32;

/**
 * Stores claims as if they had been settled before: each of another person, on sold-out coupons of 100,000 units.
 * People and tickets rise with the sequence, so every index is filled in order. Triggers and foreign keys are
 * left out for the time, which are nine tenths of it; the rows keep the same rules, and a vacuum is done
 * here rather than by itself in the middle of a measurement.
 */
export async function fillClaims(databaseUrl: string, claims: number): Promise<Fill> {
  const startMs = performance.now();
  const sql = openPool({
    url: databaseUrl,
    applicationName: 'load fill',
    max: 1,
    statementTimeoutMs: 0,
    settings: { session_replication_role: 'replica' },
  });
  try {
    const coupons = Math.ceil(claims / CLAIMS_PER_COUPON);
    await insertCoupons(sql, claims);
    await insertClaims(sql, claims);
    await sql`vacuum (analyze) claims`;
    await sql`analyze coupons, refusals`;
    await sql`checkpoint`;
    const [size] = await sql<{ bytes: number }[]>`select pg_total_relation_size('claims') as bytes`;
    const megabytes = (size?.bytes ?? 0) / 1024 ** 2;
    return { claims, coupons, seconds: (performance.now() - startMs) / 1000, megabytes };
  } finally {
    await closePool(sql, 1);
  }
}

async function insertCoupons(sql: Sql, claims: number): Promise<void> {
  await sql`
    insert into coupons (name, amount, remaining_amount, granted_count, claimed_count)
    select 'stored-' || lpad(n::text, 4, '0'), held, 0, held, held
    from (
      select n, least(${CLAIMS_PER_COUPON}, ${claims} - n * ${CLAIMS_PER_COUPON}) as held
      from generate_series(0, (${claims} - 1) / ${CLAIMS_PER_COUPON}) n
    ) stored`;
}

async function insertClaims(sql: Sql, claims: number): Promise<void> {
  const step = Math.floor(PERSON_SPACE / claims);
  await sql`
    insert into claims (user_id, coupon_name, sequence, ticket)
    select
      'u-' || lpad(to_hex(n * ${step}::bigint), 8, '0') || '-000000000',
      'stored-' || lpad((n / ${CLAIMS_PER_COUPON})::text, 4, '0'),
      n % ${CLAIMS_PER_COUPON} + 1,
      'tkt_stored' || lpad(n::text, 46, '0')
    from generate_series(0, ${claims}::bigint - 1) n`;
}
