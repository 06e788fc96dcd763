import { parseArgs } from 'node:util';
import { type Behavior, type Received, receiverModes, startReceiver } from '@claimline/http/testing-receiver';
import { Webhook } from 'standardwebhooks';

/*
 * A receiver of webhooks that can be slow, failing and rude; prints what it gets, once a second, and at the end
 * how many messages came and how many of them more than once.
 *
 * node --import tsx loadtest/receiver.ts [--port 9000] [--host 127.0.0.1] [--delay 0] [--status 204]
 *   [--mode answer|hang|drip|big|redirect|reset|410|429] [--location http://127.0.0.1/] [--retry-after 5]
 *   [--secret whsec_...]
 *
 * --delay in milliseconds. redirect sends to --location. With --secret signatures are verified, and what is not
 * signed with it is answered 400.
 */

const TELL_MS = 1000;

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '9000' },
    host: { type: 'string', default: '127.0.0.1' },
    delay: { type: 'string', default: '0' },
    status: { type: 'string', default: '204' },
    mode: { type: 'string', default: 'answer' },
    location: { type: 'string', default: 'http://127.0.0.1/' },
    'retry-after': { type: 'string', default: '5' },
    secret: { type: 'string' },
  },
});

const webhook = values.secret === undefined ? undefined : new Webhook(values.secret);
const seen = new Map<string, number>();
const count = { requests: 0, told: 0, unverified: 0 };
let last = '';

function tell(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** What is asked for on the command line. @throws Error for a mode or number that is none */
function readBehavior(): Behavior {
  const { location, 'retry-after': retryAfter } = values;
  const delayMs = wholeNumber('delay', values.delay);
  const status = wholeNumber('status', values.status);
  if (values.mode === '410') return { delayMs, status: 410 };
  if (values.mode === '429') return { delayMs, status: 429, headers: { 'retry-after': retryAfter } };
  const mode = receiverModes.find(known => known === values.mode);
  if (mode === undefined)
    throw new Error(`--mode must be one of ${[...receiverModes, '410', '429'].join(', ')}`);
  if (mode === 'redirect') return { mode, delayMs, headers: { location } };
  return { mode, delayMs, status };
}

function wholeNumber(name: string, text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new Error(`--${name} must be a whole number`);
}

/** False when a secret is given and the request is not signed with it. */
function isVerified({ headers, body }: Received): boolean {
  try {
    webhook?.verify(body, headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}

function take(request: Received, behavior: Behavior): Behavior {
  const { headers, body } = request;
  const id = String(headers['webhook-id']);
  count.requests++;
  if (!isVerified(request)) {
    count.unverified++;
    return { status: 400 };
  }
  seen.set(id, (seen.get(id) ?? 0) + 1);
  last = `${id} attempt ${headers['webhook-attempt'] ?? '?'}: ${body.slice(0, 200)}`;
  return behavior;
}

function summary(): string {
  const repeated = [...seen.values()].filter(times => times > 1).length;
  const unverified = webhook ? `, ${count.unverified} not verified` : '';
  return `${count.requests} requests, ${seen.size} messages, ${repeated} of them repeated${unverified}`;
}

const behavior = readBehavior();
const { url } = await startReceiver(request => take(request, behavior), {
  host: values.host,
  port: wholeNumber('port', values.port),
});
tell(`listening at ${url}`);
setInterval(() => {
  if (count.requests === count.told) return;
  count.told = count.requests;
  tell(`${summary()}; last ${last}`);
}, TELL_MS);
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    tell(summary());
    process.exit(0);
  });
