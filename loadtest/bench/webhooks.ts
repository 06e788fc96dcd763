import { type Behavior, type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import type { Stack } from '../stack.ts';
import { whole } from '../table.ts';
import { type Experiment, START_SECONDS } from './finding.ts';
import { onStack } from './on-stack.ts';

/* T9: webhooks to ten endpoints, one of which hangs: what the nine others get a second, beside ten that answer. */

const ENDPOINTS = 10;
const WITHIN = 0.9;
/** Claims are sent so many at a time. */
const AT_ONCE = 100;
const TOLD_WITHIN_MS = 300_000;
const POLL_MS = 5;
// For the estimate of the progress bar only.
const EXPECTED_PER_SECOND = 1000;

type Merchant = { id: string; receiver: Receiver; seen: Set<string> };

export const webhooks: Experiment = {
  targets: ['T9'],
  seconds: ({ webhookClaims, rounds }) =>
    START_SECONDS + (2 * rounds + 1) * ((webhookClaims * ENDPOINTS) / EXPECTED_PER_SECOND),
  async run({ plan, step }) {
    const { webhookClaims: claims, rounds } = plan;
    const roundSeconds = (claims * ENDPOINTS) / EXPECTED_PER_SECOND;
    step('T9: starting', START_SECONDS);
    return onStack({ env: { WEBHOOK_ALLOW_HOSTS: '127.0.0.1' } }, async stack => {
      const nine = await Promise.all(Array.from({ length: ENDPOINTS - 1 }, () => openMerchant(stack)));
      try {
        step('T9: warm-up', roundSeconds);
        await tell(stack, nine, claims, {});
        const rates: { answering: number[]; hanging: number[] } = { answering: [], hanging: [] };
        for (let round = 1; round <= rounds; round++) {
          step(`T9: round ${round}, all answer`, roundSeconds);
          rates.answering.push(await tell(stack, nine, claims, {}));
          step(`T9: round ${round}, one hangs`, roundSeconds);
          rates.hanging.push(await tell(stack, nine, claims, { mode: 'hang' }));
        }
        const [answering, hanging] = [median(rates.answering), median(rates.hanging)];
        const share = hanging / answering;
        return [
          {
            target: 'T9',
            rows: [
              {
                work: `webhooks of ${whole(claims)} outcomes to ten endpoints, one of which hangs`,
                target: 'the nine others within 10 % of no dead endpoint',
                figure: `${whole(hanging)} messages/s to the nine with one that hangs, ${whole(answering)} without: ${share.toFixed(2)} x; each of the nine got every message`,
                met: share >= WITHIN,
              },
            ],
            speeds: [
              {
                label: 'T9 webhooks to nine, the tenth hangs',
                perSecond: hanging,
                kind: 'claimline',
                wantedPerSecond: answering * WITHIN,
              },
            ],
            latencies: [],
            cores: [],
            notes: [
              'T9: from the first claim to the last message, the claims themselves included; the receivers run in the process that measures.',
            ],
          },
        ];
      } finally {
        await Promise.all(nine.map(({ receiver }) => receiver.close()));
      }
    });
  },
};

async function call(
  stack: Stack,
  method: string,
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${stack.urls.claimline![0]}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (!response.ok)
    throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  return response.status === 204 ? {} : ((await response.json()) as Record<string, unknown>);
}

async function openMerchant(stack: Stack, behavior: Behavior = {}): Promise<Merchant> {
  const seen = new Set<string>();
  const receiver = await startReceiver(behavior, {
    onRequest: ({ headers }) => void seen.add(String(headers['webhook-id'])),
  });
  const { id } = await call(stack, 'POST', '/api/webhook-endpoints', { url: receiver.url });
  return { id: String(id), receiver, seen };
}

/** Lets people claim, beside a tenth endpoint of its own, and answers how many messages a second the nine got; throws when one is missing. */
async function tell(stack: Stack, nine: Merchant[], claims: number, behavior: Behavior): Promise<number> {
  const tenth = await openMerchant(stack, behavior);
  for (const { seen, receiver } of nine) {
    seen.clear();
    receiver.received.splice(0);
  }
  const name = `told ${crypto.randomUUID()}`;
  await call(stack, 'POST', '/api/coupons', { name, amount: claims + 1 });
  const path = `/api/coupons/${encodeURIComponent(name)}/claims`;
  const startedMs = performance.now();
  for (let sent = 0; sent < claims; sent += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, claims - sent) }, (_, i) =>
        call(stack, 'POST', path, { user_id: `person ${sent + i}` }),
      ),
    );
  await until(() => nine.every(({ seen }) => seen.size >= claims));
  const seconds = (performance.now() - startedMs) / 1000;
  for (const { seen } of nine)
    if (seen.size !== claims) throw new Error(`${seen.size} messages of ${claims} outcomes`);
  await call(stack, 'DELETE', `/api/webhook-endpoints/${tenth.id}`);
  await tenth.receiver.close();
  return (nine.length * claims) / seconds;
}

async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + TOLD_WITHIN_MS;
  while (!(await isDone())) {
    if (performance.now() > deadlineMs) throw new Error(`not everybody was told within ${TOLD_WITHIN_MS} ms`);
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}
