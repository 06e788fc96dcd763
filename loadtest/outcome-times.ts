import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { packHistogram } from './histogram.ts';
import { runLoad } from './load.ts';
import { listenForOutcomes } from './outcome-clock.ts';

/*
 * Claims at a rate and takes the time from each 202 to the outcome of its ticket. A process of its own; prints
 * the result as one line of JSON.
 *
 * node --import tsx outcome-times.ts --target <url> --coupon <name> --database <url> --rate 100 --seconds 5
 *   --connections 256
 */

const TICKET_BYTES = 56;

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    coupon: { type: 'string' },
    database: { type: 'string' },
    rate: { type: 'string' },
    seconds: { type: 'string' },
    connections: { type: 'string' },
  },
});
if (!values.target || !values.coupon || !values.database || !values.rate)
  throw new Error('--target, --coupon, --database and --rate are required');

/** The tickets that one notification of settle.sql decides. */
function ticketsOf(payload: string): string[] {
  const { outcomes } = JSON.parse(payload) as { outcomes: [ticket: string, ...rest: unknown[]][] };
  return outcomes.map(([ticket]) => ticket);
}

const clock = await listenForOutcomes(values.database, 'claimline_settled', ticketsOf);
const { hostname, port } = new URL(values.target);
const load = await runLoad({
  targets: [{ host: hostname, port: Number(port) }],
  method: 'POST',
  path: `/api/coupons/${values.coupon}/claims`,
  body: '{"user_id":"{user}"}',
  userPrefix: `u-${randomBytes(4).toString('hex')}-`,
  coupons: 1,
  burst: 1,
  connections: Number(values.connections),
  durationMs: Number(values.seconds) * 1000,
  requests: Number.POSITIVE_INFINITY,
  ratePerSecond: Number(values.rate),
  expectedStatuses: [202],
  onAnswer: (_answer, bytes) => {
    const at = bytes.indexOf('tkt_');
    clock.accepted(bytes.toString('latin1', at, at + TICKET_BYTES), performance.now());
  },
});
await clock.allDecided();
await clock.close();
process.stdout.write(`${JSON.stringify({ load, outcomes: packHistogram(clock.histogram) })}\n`);
