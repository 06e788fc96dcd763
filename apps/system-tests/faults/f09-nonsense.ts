import { Agent, request } from 'node:http';
import type { Engine } from '@claimline/queue/engine';
import { createGun, type Shot } from '../../api/testing-gun.ts';
import { atMost } from '../await-until.ts';
import { couponPath } from '../claim-client.ts';
import type { Stack } from '../stack.ts';
import type { Arena } from './arena.ts';
import type { Crowd } from './crowd.ts';
import type { Fault } from './fault.ts';
import { withOwnEngine } from './own-engine.ts';
import type { Sale } from './sale.ts';

const width = 32;
const largeBytes = 5 * 1024 * 1024;
const deepLevels = 100;
/** A lane that has a poisonous job settles what is behind it within this. */
const heldUpMostMs = 10_000;

/** Jobs and requests that make no sense. */
export const nonsense: Fault = {
  id: 'F9',
  title: 'poisonous jobs, 5 MB bodies, 100-deep JSON, random requests',
  async run(arena) {
    const { stack, sized } = arena;
    const crowd = await arena.crowd();
    await withOwnEngine(stack, async engine => {
      for (let round = 0; round < sized(1, 3, 10); round++) await poison(arena, crowd, engine, round);
    });
    await sendMonsters(arena, crowd.sales[0]!);
    await fireAtRandom(arena, sized(2_000, 15_000, 100_000));
    await crowd.recovers(Date.now());
    await crowd.seeOut();
  },
};

/** Jobs that no lane can settle hold up nobody behind them. */
async function poison(arena: Arena, crowd: Crowd, engine: Engine, round: number): Promise<void> {
  const sale = crowd.sales[0]!;
  const job = (claims: unknown) => ({ coupon: sale.id, name: sale.name, claims });
  const poisons: Record<string, unknown> = {
    nonsense: { nonsense: true },
    nothing: null,
    'of nobody': job([]),
    'of another coupon': { ...job([['tkt_other', 'poison', 1]]), coupon: crypto.randomUUID() },
    'with a name that cannot be stored': job([['tkt_null', 'a\u0000b', 1]]),
    'with a name that is too long': job([['tkt_long', 'x'.repeat(1_000), 1]]),
    'with metadata that is no JSON': job([['tkt_json', 'poison', 1, '{']]),
    'with a number for a person': job([['tkt_number', 7, 1]]),
    'of 5 MB': job([['tkt_large', 'poison', 1, JSON.stringify({ x: 'x'.repeat(largeBytes) })]]),
  };
  for (const [what, data] of Object.entries(poisons)) {
    arena.injected(`a job ${what}`);
    const sinceMs = Date.now();
    await engine.add(`claims.${sale.id}`, { id: `poison-${round}-${what}`, name: sale.name, data });
    await crowd.recovers(sinceMs);
    const recoveredMs = arena.row.recoveriesMs.at(-1)!;
    if (recoveredMs > heldUpMostMs) arena.finding(`a job ${what} held its lane up for ${recoveredMs} ms`);
  }
}

async function sendMonsters({ stack, injected, finding }: Arena, sale: Sale): Promise<void> {
  const deep = `${'{"a":'.repeat(deepLevels)}1${'}'.repeat(deepLevels)}`;
  const monsters: [what: string, raw: string, statuses: number[]][] = [
    ['a body of 5 MB', JSON.stringify({ user_id: 'x'.repeat(largeBytes) }), [413]],
    ['100-deep JSON', deep, [400]],
    ['100-deep metadata', `{"user_id":"deep","metadata":${deep}}`, [202, 400]],
    ['100-deep arrays', '['.repeat(deepLevels) + ']'.repeat(deepLevels), [400]],
  ];
  for (const [what, raw, statuses] of monsters) {
    injected(what);
    const headers = { 'content-type': 'application/json' };
    const { status } = await stack
      .client()
      .request('POST', `${couponPath(sale.name)}/claims`, { raw, headers });
    if (!statuses.includes(status)) finding(`${what} was answered ${status}`);
  }
}

async function fireAtRandom(
  { stack, random, injected, figure, finding }: Arena,
  shots: number,
): Promise<void> {
  injected(`${shots} random requests`);
  const shoot = createGun(() => random.next());
  const agent = new Agent({ keepAlive: true, maxSockets: width });
  const statuses: Record<number, number> = {};
  await atMost(width, Array.from({ length: shots }), async () => {
    const shot = shoot();
    let { status, text } = await fire(stack, agent, shot);
    statuses[status] = (statuses[status] ?? 0) + 1;
    // A machine that others keep busy may give a query up; what is nonsense is answered 503 again.
    if (status === 503) ({ status, text } = await fire(stack, agent, shot));
    if (status >= 500) finding(`${status} ${text} to ${JSON.stringify(shot).slice(0, 600)}`);
  });
  agent.destroy();
  figure(`${shots} random requests answered ${JSON.stringify(statuses)}`);
}

function fire(stack: Stack, agent: Agent, { method, path, headers, body }: Shot) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sending = request(stack.api, { agent, method, path, headers }, answer => {
      let text = '';
      answer.setEncoding('utf8').on('data', chunk => (text += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      answer.on('error', reject);
    });
    sending.on('error', error => reject(new Error(`${method} ${path}: ${error.message}`)));
    sending.end(body);
  });
}
