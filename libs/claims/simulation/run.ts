import { act } from './act.ts';
import type { Api } from './api.ts';
import { type Clients, createClients } from './client.ts';
import { nowMs, sleep, startClock } from './clock.ts';
import { draw } from './draw.ts';
import { checkKeys } from './keyed.ts';
import { couponNames, people, type Schedule, type Step } from './schedule.ts';
import { makeCachesSmall } from './small-caches.ts';
import { createWorld, type World } from './world.ts';

const limits = {
  startMs: 50,
  /** The longest that a fault of a schedule lasts. */
  faultMostMs: 9000,
  /** P3. */
  outcomeMs: 60_000,
  lookEveryMs: 500,
  newcomersMost: 20,
  /** Virtual time in which a run must come to its end. */
  runMs: 2 ** 31 - 1,
} as const;

/** What came of a run: the first promise that was broken, or null, and what happened where that was kept. */
export type Result = { broken: string | null; history: string[] };

makeCachesSmall();

/** Runs a schedule in virtual time, heals everything at its end, and sees everybody through. */
export async function run(schedule: Schedule, { isKept }: { isKept: boolean }): Promise<Result> {
  const clock = startClock();
  const { random } = Math;
  let drawn = 0;
  Math.random = () => draw(schedule.seed, 'random', ++drawn);
  try {
    const world = createWorld(schedule, isKept);
    const { oracle, history } = world;
    let isOver = false;
    play(world, schedule).then(
      () => {
        isOver = true;
      },
      error => oracle.fail(`the simulation itself failed: ${(error as Error).stack}`),
    );
    await clock.advance(limits.runMs, () => isOver || oracle.broken.length > 0);
    if (!isOver && oracle.broken.length === 0) oracle.fail('the run did not come to its end');
    for (const { message } of oracle.broken) history.say(`BROKEN ${message}`);
    return { broken: oracle.broken[0]?.message ?? null, history: history.lines };
  } finally {
    Math.random = random;
    clock.stop();
  }
}

async function play(world: World, schedule: Schedule): Promise<void> {
  const clients = createClients(world);
  await sleep(limits.startMs);
  for (const step of schedule.steps) {
    act(world, clients, step);
    await sleep(step.restMs);
  }
  world.history.say('everything is healed');
  world.heal();
  if (schedule.steps.some(isMisfortune)) await sleep(limits.faultMostMs);
  await seeAnswered(world, clients);
  await seeDecided(world, clients);
  await sellOut(world, clients);
  if (schedule.apis === 1 && !schedule.steps.some(isMisfortune)) checkLineOrder(world);
  await readAgain(world, clients);
  checkKeys(world, clients.keyed.all);
}

/** Whoever sends with a key is answered in time. */
async function seeAnswered({ oracle }: World, { keyed }: Clients): Promise<void> {
  const untilMs = nowMs() + limits.outcomeMs;
  while (keyed.all.some(({ told }) => told === null)) {
    if (nowMs() > untilMs) return oracle.fail('P3: a request with a key came to no answer');
    await sleep(limits.lookEveryMs);
  }
}

/** P3: a ticket that somebody was told has an outcome in time, or is lost where that may be. */
async function seeDecided({ apis, oracle, stores }: World, { told, read }: Clients) {
  const open = new Set(told.keys());
  const untilMs = nowMs() + limits.outcomeMs;
  for (let nth = 0; open.size > 0; nth++) {
    const up = apis();
    for (const ticket of open) {
      const answer = up.length > 0 ? await read(up[nth % up.length] as Api, ticket) : 'unknown';
      if (answer === 'lost' && !mayBeLost(ticket)) oracle.fail(`P3: ${ticket} was lost, and why?`);
      if (answer === 'lost' || answer === 'decided') open.delete(ticket);
    }
    if (open.size > 0 && nowMs() > untilMs) return oracle.fail(`P3: ${[...open]} came to no outcome`);
    await sleep(limits.lookEveryMs);
  }

  /**
   * Where its job was taken away, or its claim deleted. Or where there never was a job: its process died between its
   * own gate and the queue; or could not add it and gave the place back, which somebody had joined through another
   * process in that instant; or the gate was emptied before.
   */
  function mayBeLost(ticket: string): boolean {
    const issuedMs = stores.tickets.read(ticket)?.createdAtMs ?? 0;
    if (oracle.wasTaken(ticket, issuedMs) || oracle.deleted.has(ticket)) return true;
    if (oracle.added.has(ticket)) return false;
    return stores.gate ? stores.gate.givenBack.has(ticket) : told.get(ticket)?.by.isAlive === false;
  }
}

/** Nobody is shut out for good, and no unit is unsold for good. */
async function sellOut({ stores, oracle }: World, { persist }: Clients): Promise<void> {
  const { tables } = stores;
  for (const name of couponNames) {
    if (!tables.rows.coupons.has(name)) continue;
    await tables.locked(name, () =>
      tables.change(name, { status: 'active', startsAtMs: null, endsAtMs: null }),
    );
    const left = () => tables.rows.coupons.get(name)?.remaining ?? 0;
    for (const userId of people) await persist(name, userId);
    for (let nth = 1; left() > 0 && nth <= limits.newcomersMost; nth++) await persist(name, `new ${nth}`);
    if (left() > 0) oracle.fail(`${left()} of ${name} remain unsold for good`);
    await persist(name, 'the last');
  }
}

/** P4: after all of it every process gives the answer that was given. */
async function readAgain({ apis, oracle }: World, { told, read }: Clients): Promise<void> {
  for (const api of apis())
    for (const ticket of told.keys()) {
      const answer = await read(api, ticket);
      if (answer !== 'decided' && oracle.isFinal(ticket))
        oracle.fail(`P4: ${ticket} was decided and is ${answer}`);
    }
}

/** P5, for claims through one process, of which nothing was lost or late. */
function checkLineOrder({ oracle }: World): void {
  for (const claims of oracle.grants.values()) oracle.checkOrder(claims);
}

function isMisfortune({ do: what }: Step): boolean {
  return what !== 'claim' && what !== 'keyed' && what !== 'poll' && what !== 'hand';
}
