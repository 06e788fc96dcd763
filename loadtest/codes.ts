import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { settle, settleSettings } from '@claimline/claims';
import { beginRun, toRecipe, uploadCodes, workOnRun } from '@claimline/codes';
import { migrate } from '@claimline/db/migrate';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { measureUses } from './code-uses.ts';
import { describeMachine } from './machine.ts';
import { startPostgres } from './stores.ts';

/*
 * What books of codes cost, on a Postgres of its own with fsync on: generating and uploading them, with the memory that
 * takes; a claim with a code beside one without, in turns; and T5. Needs `redis-server`. Figures never decide success; a wrong count does.
 *
 * node --import tsx codes.ts [--codes 1000000] [--rounds 60]
 */

const BATCH_SIZES = [100, 500];
const WARM_UP_ROUNDS = 8;
const AMOUNT = 2_000_000_000;
const MEGABYTE = 1024 * 1024;

const { values } = parseArgs({
  options: { codes: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '60' } },
});
const codes = Number(values.codes);
const rounds = Number(values.rounds);

function tell(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Runs long work and tells its time, and how far memory rose from its first batch to its last. */
async function timed(
  what: string,
  work: (onBatch: () => void) => Promise<{ created: number }>,
): Promise<void> {
  const startedMs = performance.now();
  let first = 0;
  let most = 0;
  const { created } = await work(() => {
    const { rss } = process.memoryUsage();
    first ||= rss;
    most = Math.max(most, rss);
  });
  if (created !== codes) throw new Error(`${what}: ${created} codes and not ${codes}`);
  const seconds = (performance.now() - startedMs) / 1000;
  const memory = `${Math.round(first / MEGABYTE)} to ${Math.round(most / MEGABYTE)} MB`;
  tell(`| ${what} ${codes} codes | ${seconds.toFixed(1)} s | memory ${memory} |`);
}

function* given(prefix: string) {
  for (let n = 0; n < codes; n++) yield { text: `${prefix}-${(n * 7919) % codes}`, place: `line ${n}` };
}

async function fillBooks(sql: Sql): Promise<void> {
  await sql`insert into coupons (name, amount) values ('made', 1), ('sent', 1), ('plain', ${AMOUNT})`;
  const id = randomUUID();
  const recipe = toRecipe({ quantity: codes, length: 12 });
  await beginRun(sql, { id, couponName: 'made', recipe, quantity: codes });
  await timed('generate', onBatch => workOnRun(sql, id, { onBatch }));
  await timed('upload', onBatch => uploadCodes(sql, 'sent', given('SENT'), { onBatch }));
  const again = await uploadCodes(sql, 'made', given('sent'));
  if (again.skipped !== codes) throw new Error(`of ${codes} duplicates ${again.skipped} were skipped`);
}

let people = 0;

/** Microseconds a claim of one batch of new people, all granted. */
async function settleBatch(sql: Sql, coupon: { id: string; name: string }, size: number): Promise<number> {
  const claims = Array.from({ length: size }, (): [string, string, number] => {
    people++;
    return [`tkt_${String(people).padStart(52, '0')}`, `user-${randomUUID()}`, people];
  });
  const startedMs = performance.now();
  const batch = { couponId: coupon.id, couponName: coupon.name, claims };
  const { decisions } = await settle(sql, batch, new AbortController().signal);
  const us = ((performance.now() - startedMs) * 1000) / size;
  const isGranted = [...decisions.values()].every(({ status }) => status === 'granted');
  if (!isGranted) throw new Error(`not all of a batch of ${coupon.name} were granted`);
  return us;
}

function medianOf(times: number[]): number {
  return times.sort((a, b) => a - b)[times.length >> 1] as number;
}

async function compareClaims(sql: Sql): Promise<void> {
  const coupons = await sql<{ id: string; name: string }[]>`
    select id, name from coupons where name in ('plain', 'made') order by name desc`;
  for (const size of BATCH_SIZES) {
    const times = coupons.map((): number[] => []);
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++)
      for (const [i, coupon] of coupons.entries()) {
        const us = await settleBatch(sql, coupon, size);
        if (round >= 0) times[i]?.push(us);
      }
    const [without = 0, withCode = 0] = times.map(medianOf);
    tell(
      `| a claim in batches of ${size} | without ${without.toFixed(1)} us, with a code ${withCode.toFixed(1)} us | ratio ${(withCode / without).toFixed(2)} |`,
    );
  }
}

const folder = mkdtempSync(join(tmpdir(), 'claimline-load-codes-'));
// Postgres runs as a user of its own when this runs as root, and must be able to reach its data.
chmodSync(folder, 0o711);
const { postgres } = await startPostgres(folder);
try {
  await migrate({ url: postgres.url });
  const filling = openPool({ url: postgres.url, applicationName: 'load codes', max: 1 });
  const settling = openPool({
    url: postgres.url,
    applicationName: 'load codes',
    max: 1,
    settings: settleSettings,
  });
  const { cpu, cores, node, storage } = describeMachine();
  tell(`${cpu}, ${cores} cores, ${storage}, Node ${node}\n`);
  await fillBooks(filling);
  await compareClaims(settling);
  const { byHttp, byStatement } = await measureUses(postgres.url, folder);
  const [http, statements] = [medianOf(byHttp), medianOf(byStatement)];
  tell(
    `| T5 lock and redeem | over HTTP ${http.toFixed(0)} codes/s, the same statements ${statements.toFixed(0)} | ratio ${(http / statements).toFixed(2)} |`,
  );
  await closePool(filling, 1);
  await closePool(settling, 1);
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
