import { freshName } from '../agree.ts';
import type { Answer } from '../answers.ts';
import type { ClaimClient } from '../claim-client.ts';
import type { Asked, Operation, Status, Told } from './coupon-model.ts';
import type { Workload } from './workload.ts';

const waitS = 20;

/** Runs a workload on a new coupon, all clients at once, and at the end reads the coupon once more. */
export async function recordHistory(
  client: ClaimClient,
  { seed, amount, plans }: Workload,
): Promise<Operation[]> {
  const name = freshName(`history ${seed}`);
  const created = await client.create(name, amount);
  if (created.status !== 201) throw new Error(`not created: ${created.text}`);
  const history: Operation[] = [];
  const follow = async (plan: Asked[]) => {
    for (const asked of plan) history.push(await record(client, name, asked));
  };
  await Promise.all(plans.map(follow));
  await follow([{ kind: 'read' }]);
  return history.sort((a, b) => a.calledAt - b.calledAt);
}

async function record(client: ClaimClient, name: string, asked: Asked): Promise<Operation> {
  const calledAt = performance.now();
  const answer = await send(client, name, asked);
  const told = hear(asked, answer);
  const returnedAt = told.told === undefined ? Number.POSITIVE_INFINITY : performance.now();
  return { calledAt, returnedAt, ...told };
}

function send(client: ClaimClient, name: string, asked: Asked): Promise<Answer> {
  switch (asked.kind) {
    case 'read':
      return client.coupon(name);
    case 'amount':
      return client.change(name, { amount: asked.amount });
    case 'status':
      return client.change(name, { status: asked.status });
    case 'claim':
      return asked.form === 'simple'
        ? client.claim(name, asked.user)
        : client.join(name, asked.user, { prefer: `wait=${waitS}` });
  }
}

/** What was told; nothing where the answer leaves open what happened: 202 and 503. */
function hear(asked: Asked, answer: Answer): Asked {
  const { status, body } = answer;
  if (asked.kind === 'claim' && status === 202)
    return { ...asked, ...(body.ticket && { ticket: body.ticket }) };
  if (status === 503) return asked;
  if (asked.kind === 'claim') return hearClaim(asked, answer);
  if (asked.kind === 'amount' && body.code === 'below_granted') return { ...asked, told: 'below_granted' };
  if (status !== 200) throw new Error(`not an answer to ${asked.kind}: ${status} ${answer.text}`);
  if (asked.kind !== 'read') return { ...asked, told: 'changed' };
  const { amount, remaining_amount: remaining, claimed_by: claimedBy } = body;
  return {
    ...asked,
    told: { amount: amount!, remaining: remaining!, status: body.status as Status, claimedBy: claimedBy! },
  };
}

function hearClaim(asked: Asked & { kind: 'claim' }, { status, body, text }: Answer): Asked {
  if (status === 200 && body.status === 'granted') return { ...asked, told: 'granted', ticket: body.ticket! };
  // A ticket that was refused is of nobody's claim; a refusal names the ticket of the claim that is held.
  const told = (status === 200 ? body.reason : body.code) as Told;
  if (!['already_claimed', 'sold_out', 'paused', 'ended'].includes(told))
    throw new Error(`not an answer to a claim: ${status} ${text}`);
  return { ...asked, told, ...(status !== 200 && body.ticket && { ticket: body.ticket }) };
}

/** A history as text, an operation a line, for whoever has to find out. */
export function showHistory(history: readonly Operation[]): string {
  const start = Math.min(...history.map(({ calledAt }) => calledAt));
  return history
    .map(({ calledAt, returnedAt, ...asked }) => {
      const times = [calledAt, returnedAt].map(at => (at - start).toFixed(1).padStart(8));
      return `${times.join(' to ')}  ${JSON.stringify(asked)}`;
    })
    .join('\n');
}
