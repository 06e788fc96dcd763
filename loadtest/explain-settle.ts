import { randomUUID } from 'node:crypto';
import { plainStatement } from '@claimline/claims';
import { closePool, openPool } from '@claimline/db/pool';

const BATCH_SIZE = 500;
const AMOUNT = 1_000_000;

/**
 * Settles one batch of 500 new people under `explain (analyze, buffers)`, with the generic plan and the settings
 * of the worker, and returns what Postgres says. Creates a coupon for it.
 */
export async function explainSettle(databaseUrl: string): Promise<string> {
  const sql = openPool({
    url: databaseUrl,
    applicationName: 'load explain',
    max: 1,
    settings: { enable_seqscan: 'off', plan_cache_mode: 'force_generic_plan' },
  });
  try {
    const id = randomUUID();
    const name = `load-explain-${id}`;
    await sql`insert into coupons (id, name, amount, remaining_amount) values (${id}, ${name}, ${AMOUNT}, ${AMOUNT})`;
    await sql.unsafe(`prepare settle_explained (uuid, text[], text[], text[], text) as ${plainStatement}`);
    const texts = (prefix: string) =>
      `array[${Array.from({ length: BATCH_SIZE }, (_, n) => `'${prefix}${id}-${n}'`).join(',')}]`;
    const plan = await sql.unsafe<{ 'QUERY PLAN': string }[]>(
      `explain (analyze, buffers) execute settle_explained ('${id}',
        ${texts('tkt_')}, ${texts('u-')}, array_fill(null::text, array[${BATCH_SIZE}]), '${name}')`,
    );
    return plan.map(row => row['QUERY PLAN']).join('\n');
  } finally {
    await closePool(sql, 1);
  }
}
