import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { plainStatement } from '@claimline/claims';
import postgres from 'postgres';
import { createHistogram, record, summarize } from '../histogram.ts';

/*
 * The ceiling of Postgres: one connection that runs the real settle statement, in batches of 500 new people,
 * one after the other. Prints the result as one line of JSON; its latency is that of a batch.
 *
 * node --import tsx baselines/bulk.ts --database <url> [--seconds 5]
 */

const BATCH_SIZE = 500;
const PERSON_DIGITS = 9;
const TICKET_LENGTH = 56;
const AMOUNT = 2_000_000_000;

const { values } = parseArgs({
  options: { database: { type: 'string' }, seconds: { type: 'string', default: '5' } },
});
if (!values.database) throw new Error('--database is required');

// As in the worker, whose plan this is to have.
const sql = postgres(values.database, { max: 1, connection: { enable_seqscan: 'off' as never } });
const name = `load-bulk-${randomBytes(4).toString('hex')}`;
const id = randomUUID();
// As long as a real one, which also begins with what stands for its coupon.
const ticketPrefix = `tkt_${name}`.padEnd(TICKET_LENGTH - PERSON_DIGITS, '-');
const noMetadata = Array.from({ length: BATCH_SIZE }, () => null);

await sql`insert into coupons (id, name, amount, remaining_amount) values (${id}, ${name}, ${AMOUNT}, ${AMOUNT})`;

let granted = 0;
async function settleBatch(): Promise<void> {
  const numbers = Array.from({ length: BATCH_SIZE }, (_, n) =>
    String(granted + n).padStart(PERSON_DIGITS, '0'),
  );
  const people = numbers.map(number => `u-${name}-${number}`);
  const tickets = numbers.map(number => ticketPrefix + number);
  const rows = await sql.unsafe(plainStatement, [id, tickets, people, noMetadata, name] as never[], {
    prepare: true,
  });
  if (rows.length === 0) throw new Error('a settle that nobody disturbed gave up');
  granted += BATCH_SIZE;
}

const latency = createHistogram();
const cpuBefore = process.cpuUsage();
const startMs = performance.now();
const endMs = startMs + Number(values.seconds) * 1000;
for (let nowMs = startMs; nowMs < endMs; nowMs = performance.now()) {
  await settleBatch();
  record(latency, performance.now() - nowMs);
}
const durationMs = performance.now() - startMs;
const cpu = process.cpuUsage(cpuBefore);

const [coupon] = await sql<{ claimed: number }[]>`
  select claimed_count::int as claimed from coupons where id = ${id}`;
if (coupon?.claimed !== granted) throw new Error(`${coupon?.claimed} claims after ${granted} were settled`);
const result = {
  startedAtMs: performance.timeOrigin + startMs,
  answers: granted,
  durationMs,
  settled: granted,
  settledMs: durationMs,
  backlogAtEnd: 0,
  latency: summarize(latency),
  cpuMs: (cpu.user + cpu.system) / 1000,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
await sql.end();
