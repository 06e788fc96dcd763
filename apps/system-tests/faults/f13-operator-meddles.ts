import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '@claimline/queue/engine';
import { awaitUntil } from '../await-until.ts';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';
import { withOwnEngine } from './own-engine.ts';
import type { Sale } from './sale.ts';

const pauseMs = 500;
/** Long enough for jobs to pile up. */
const standingMs = 300;
/** What is cleaned has to be 5 s old. */
const agingMs = 5_300;
const laterMs = 60_000;
const jobsMost = 5_000;
const changesWithinMs = 10_000;

/** A state of jobs in which the operator finds some. */
type State = 'completed' | 'failed' | 'delayed' | 'waiting' | 'active';

/** What an operator does to the jobs of a state, while workers are frozen or while the lane is paused. */
interface Action {
  call: string;
  of: State;
  during: 'frozen' | 'paused';
  /** How long jobs pile up or age before. */
  afterMs?: number;
  body?: object;
}

const actions: readonly Action[] = [
  { call: 'retry/completed', of: 'completed', during: 'frozen' },
  { call: 'retry/failed', of: 'failed', during: 'frozen' },
  { call: 'promote', of: 'delayed', during: 'frozen' },
  { call: 'empty', of: 'waiting', during: 'frozen' },
  { call: 'clean/completed', of: 'completed', during: 'paused', afterMs: agingMs },
  { call: 'clean/failed', of: 'failed', during: 'paused', afterMs: agingMs },
  { call: 'clean/waiting', of: 'waiting', during: 'paused', afterMs: agingMs },
  { call: 'resume', of: 'waiting', during: 'paused' },
  { call: 'obliterate', of: 'waiting', during: 'paused' },
  { call: 'obliterate', of: 'waiting', during: 'frozen', body: { force: true } },
];

/** A lane's jobs and its calls on the board. */
interface Bench extends Arena {
  sale: Sale;
  lane: string;
  engine: Engine;
}

/** An operator does in Bull Board whatever has a button, in the middle of a sale. */
export const operatorMeddles: Fault = {
  id: 'F13',
  title: 'an operator retries, cleans, pauses, empties, obliterates in Bull Board',
  async run(arena) {
    const { stack, random, sized } = arena;
    const crowd = await arena.crowd();
    const sale = crowd.sales[0]!;
    let done = 0;
    await withOwnEngine(stack, async engine => {
      const bench = { ...arena, sale, lane: `claims.${sale.id}`, engine };
      for (let round = 0; round < sized(1, 1, 10); round++)
        for (const action of random.shuffled(actions).slice(0, sized(4, actions.length, actions.length))) {
          const changed = await meddle(bench, action, `${round}-${done}`);
          done += 1;
          arena.injected(`${action.call}: ${changed} jobs ${action.of} no more`);
          const sinceMs = Date.now();
          await delay(random.between(0, pauseMs));
          await crowd.recovers(sinceMs);
        }
    });
    arena.figure(`${done} actions, each of which changed something`);
    await crowd.decidesMeanwhile();
    await crowd.seeOut(true);
  },
};

/** Does it where there is something to do, and answers how many jobs have left the state; throws where none has. */
async function meddle(bench: Bench, action: Action, id: string): Promise<number> {
  const { call, of, during, afterMs = standingMs, body } = action;
  if (of === 'failed') await addPoison(bench, id);
  await someJobs(bench, of === 'failed' ? 'failed' : 'completed');

  async function act(): Promise<number> {
    await delay(afterMs);
    if (of === 'delayed') await addLater(bench, id);
    const before = await someJobs(bench, of);
    await write(bench, call, body);
    return awaitUntil(
      `${call} to change something`,
      async () => {
        const after = new Set(await idsOf(bench, of));
        return before.filter(one => !after.has(one)).length || undefined;
      },
      changesWithinMs,
    );
  }
  return during === 'frozen' ? whileFrozen(bench, body !== undefined, act) : whilePaused(bench, act);
}

/** The board obliterates nothing that is not paused. */
async function whileFrozen(bench: Bench, isPaused: boolean, act: () => Promise<number>): Promise<number> {
  return bench.stack.whileWorkersStand(async () => {
    if (isPaused) await write(bench, 'pause');
    return act();
  });
}

async function whilePaused(bench: Bench, act: () => Promise<number>): Promise<number> {
  await write(bench, 'pause');
  try {
    if (!(await bench.engine.queue(bench.lane).isPaused())) throw new Error('the lane is not paused');
    await awaitUntil('nothing to be in hand', async () => (await idsOf(bench, 'active')).length === 0);
    return await act();
  } finally {
    await write(bench, 'resume');
  }
}

async function idsOf({ engine, lane }: Bench, state: State): Promise<string[]> {
  const jobs = await engine.queue(lane).getJobs([state], 0, jobsMost);
  return jobs.flatMap(job => job?.id ?? []);
}

async function someJobs(bench: Bench, state: State): Promise<string[]> {
  return awaitUntil(`jobs that are ${state}`, async () => {
    const ids = await idsOf(bench, state);
    return ids.length > 0 && ids;
  });
}

/** A job that fails at once. */
async function addPoison({ engine, lane, sale }: Bench, id: string): Promise<void> {
  await engine.add(lane, { id: `poison-${id}`, name: sale.name, data: { nonsense: true } });
}

/** Another job for claims that wait, for later. */
async function addLater({ engine, lane, sale }: Bench, id: string): Promise<void> {
  const { jobs } = await engine.listUndecided(lane, jobsMost);
  await engine.queue(lane).add(sale.name, jobs[0], { jobId: `later-${id}`, delay: laterMs });
}

/** Calls the board as its own page would. */
async function write({ stack, lane }: Bench, call: string, body: object = {}): Promise<void> {
  const board = `${stack.api}/queues/api/queues`;
  const { queues } = (await (await fetch(board)).json()) as {
    queues: { name: string; description: string }[];
  };
  const shown = queues.find(({ description }) => description.endsWith(lane));
  if (!shown) throw new Error(`${lane} is not on the board`);
  const answer = await fetch(`${board}/${encodeURIComponent(shown.name)}/${call}`, {
    method: 'PUT',
    headers: { origin: stack.api, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${call} was answered ${answer.status} ${await answer.text()}`);
}
