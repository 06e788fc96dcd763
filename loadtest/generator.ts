import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type LoadPlan, runLoad } from './load.ts';
import { createReasonTally, createTally } from './tally.ts';

/*
 * The load generator, a process of its own: prints the result as one line of JSON, or fails with status 1.
 *
 * node --import tsx generator.ts --target http://127.0.0.1:3000 [--target ...] --path /api/coupons/x/claims
 *   [--method POST] [--body '{"user_id":"{user}"}'] [--expect 200,202,409] [--connections 64]
 *   [--seconds 5] [--requests 1000] [--rate 2000] [--coupons 1000] [--burst 10 --once 200]
 *   [--bodies file] [--crowd 1000 --first-event 0]
 *
 * Without --rate it is a closed loop: every connection sends again as soon as it is answered. With --rate
 * requests fall due at that rate, whatever the answers do. {user} is another person in every burst of --burst
 * requests that are sent at once; {coupon} in the path is a number below --coupons, in turn; for
 * {event} and {seat+7} see request-template.ts. With --once it
 * fails unless every person got that status exactly once. With --bodies the lines of a file are sent in turn, and
 * the result counts by `reason` what the answers said: `valid` where they name none.
 */

const DEFAULT_SECONDS = 5;

function parsePlan(): { plan: LoadPlan; onceStatus: number | undefined } {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true },
      path: { type: 'string' },
      method: { type: 'string', default: 'POST' },
      body: { type: 'string', default: '{"user_id":"{user}"}' },
      expect: { type: 'string', default: '200,202,409' },
      connections: { type: 'string', default: '64' },
      seconds: { type: 'string' },
      requests: { type: 'string' },
      rate: { type: 'string', default: '0' },
      coupons: { type: 'string', default: '1' },
      burst: { type: 'string', default: '1' },
      crowd: { type: 'string', default: '1' },
      'first-event': { type: 'string', default: '0' },
      once: { type: 'string' },
      bodies: { type: 'string' },
    },
  });
  if (!values.target || !values.path) throw new Error('--target and --path are required');
  const seconds = values.seconds ?? (values.requests ? 'Infinity' : DEFAULT_SECONDS);
  const plan: LoadPlan = {
    targets: values.target.map(target => {
      const { hostname, port } = new URL(target);
      return { host: hostname, port: Number(port) };
    }),
    method: values.method,
    path: values.path,
    body: values.body,
    ...(values.bodies && { bodies: readFileSync(values.bodies, 'utf8').trim().split('\n') }),
    userPrefix: `u-${randomBytes(4).toString('hex')}-`,
    connections: Number(values.connections),
    durationMs: Number(seconds) * 1000,
    requests: Number(values.requests ?? 'Infinity'),
    ratePerSecond: Number(values.rate),
    coupons: Number(values.coupons),
    burst: Number(values.burst),
    crowd: Number(values.crowd),
    firstEvent: Number(values['first-event']),
    expectedStatuses: values.expect.split(',').map(Number),
  };
  return { plan, onceStatus: values.once === undefined ? undefined : Number(values.once) };
}

try {
  const { plan, onceStatus } = parsePlan();
  const tally = createTally(onceStatus);
  const reasons = createReasonTally();
  const onAnswer = plan.bodies ? reasons.count : tally.count;
  const result = await runLoad({ ...plan, onAnswer });
  tally.assertOnceEach(result.dropped);
  process.stdout.write(`${JSON.stringify({ ...result, reasons: reasons.counts })}\n`);
} catch (error) {
  process.stderr.write(`load failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
