import type { Attempts, LoadedDelivery, Outcome } from './attempts.ts';
import { callbackSecrets } from './callback-secret.ts';
import { judge, type Schedule } from './judge.ts';
import { InterruptedError } from './patience.ts';
import type { DeliveryJob } from './queue-due.ts';
import { openThose, type Seal } from './secret.ts';
import { type Sender, type Sent, unsent } from './send.ts';

export const deliverLimits = {
  /** The wait where an endpoint is disabled: a sweep comes by before that. */
  disabledMs: 2000,
  /** Characters of an answer that are kept: how much it is the endpoint decides, and it is kept for weeks. */
  bodyLength: 1000,
} as const;

/** What became of a delivery's job, kept with it for the board. */
export type DeliveryResult = Outcome['verdict'] | 'skipped';

/**
 * Makes one attempt to deliver, and puts it on record. A job may run twice: then the receiver gets the
 * message twice, with the same id, and the record of the second is the one that does not count.
 */
export async function deliver(
  { delivery, run }: DeliveryJob,
  house: {
    attempts: Attempts;
    sender: Sender;
    seal: Seal;
    schedule: Schedule;
    signal: AbortSignal;
  },
): Promise<DeliveryResult> {
  const { attempts, schedule, signal } = house;
  const loaded = await attempts.load(delivery);
  if (loaded === null || loaded.run !== run) return 'skipped';
  const outcome = { delivery, run, number: loaded.attempts + 1, url: loaded.url };
  // Of a disabled endpoint: the sweep ends it, unless it is enabled again before that.
  if (loaded.url === null || loaded.is_open) {
    const wait_ms = loaded.url === null ? deliverLimits.disabledMs : null;
    await attempts.record({ ...outcome, ...nothing, verdict: 'held', wait_ms });
    return 'held';
  }
  const { sent, error, is_ours } = await send(loaded, loaded.url, house);
  if (signal.aborted && sent.status === null) throw new InterruptedError('stopped during an attempt');
  const { verdict, waitMs } = judge(sent, outcome.number, schedule);
  await attempts.record({
    ...outcome,
    verdict,
    is_ours,
    wait_ms: waitMs,
    status_code: sent.status,
    error,
    duration_ms: sent.durationMs,
    body: beginningOf(sent.body),
  });
  return verdict;
}

/** Cut between characters: half of one cannot be stored. */
function beginningOf(body: string): string {
  const most = deliverLimits.bodyLength;
  return [...body.slice(0, 2 * most)].slice(0, most).join('');
}

const nothing = { is_ours: false, wait_ms: null, status_code: null, error: null, duration_ms: 0, body: '' };

async function send(
  { lane, is_callback, message_id, payload, secrets, attempts, now_s }: LoadedDelivery,
  url: string,
  { sender, seal }: { sender: Sender; seal: Seal },
): Promise<{ sent: Sent; error: string | null; is_ours: boolean }> {
  let opened: Buffer[] = [];
  try {
    const owner = is_callback ? callbackSecrets : lane;
    opened = openThose(seal, secrets, owner);
  } catch (error) {
    const complaint = `the secret cannot be opened: ${(error as Error).message}`;
    return { sent: unsent, error: complaint, is_ours: true };
  }
  const sent = await sender.send({
    url,
    id: message_id,
    body: payload,
    secrets: opened,
    timestampS: now_s,
    attempt: attempts + 1,
  });
  const error = sent.failure && [sent.failure, sent.code].filter(part => part !== null).join(': ');
  return { sent, error, is_ours: false };
}
