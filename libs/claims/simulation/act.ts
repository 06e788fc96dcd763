import type { Clients } from './client.ts';
import { sleep } from './clock.ts';
import { couponNames, type HandChange, people, type Step } from './schedule.ts';
import type { Coupon } from './tables.ts';
import type { World } from './world.ts';

const hourMs = 3_600_000;
const soonMs = 40;

/** Does one step of a schedule, without waiting for what comes of it. */
export function act(world: World, clients: Clients, step: Step): void {
  switch (step.do) {
    case 'claim':
      claim(world, clients, step);
      break;
    case 'keyed':
      claimWithKey(clients, step);
      break;
    case 'poll':
      poll(world, clients, step);
      break;
    case 'hand':
      void changeByHand(world, step.coupon, step.change);
      break;
    case 'hold':
      hold(world, step);
      break;
    case 'fault':
      world.faults.arm(step);
      break;
    case 'kill':
      world.at(step.side, step.nth).process.kill();
      break;
    case 'freeze':
      world.at(step.side, step.nth).process.freeze(step.ms);
      break;
    case 'deafen':
      deafen(world, step);
      break;
    case 'outage':
      void world.takeAway(world.stores[step.store], step.ms);
      break;
    case 'empty':
      empty(world, step.what);
      break;
    case 'job':
      handleJob(world, step);
  }
}

function claim(world: World, clients: Clients, step: Step & { do: 'claim' }): void {
  const api = world.api(step.api);
  const name = couponNames[step.coupon] as string;
  if (!api) return;
  for (const person of step.people) void clients.claim(api, name, people[person] as string, step.waits);
}

function claimWithKey({ keyed, waitMs }: Clients, step: Step & { do: 'keyed' }): void {
  const { coupon, person, api, waits } = step;
  const name = couponNames[coupon] as string;
  const isAlone = person === null;
  const userId = isAlone ? `keyed ${keyed.all.length + 1}` : (people[person] as string);
  void keyed.claimWithKey({ name, userId, isAlone }, api, waits ? waitMs : 0);
}

function poll(world: World, { told, read }: Clients, step: Step & { do: 'poll' }): void {
  const api = world.api(step.api);
  const ticket = [...told.keys()][step.ticket];
  if (api && ticket) void read(api, ticket);
}

function deafen({ api, history }: World, { how, ms, api: nth }: Step & { do: 'deafen' }): void {
  const one = api(nth);
  if (!one) return;
  history.say(`${one.process.name}: notifications ${how} for ${ms} ms`);
  if (how === 'cut') one.changes.cut(ms);
  else one.changes.delay(ms);
}

function empty({ stores, history, oracle }: World, what: 'gate' | 'queue' | 'redis'): void {
  if (!stores.gate) return;
  history.say(`the ${what} is emptied`);
  if (what !== 'queue') oracle.placesLost();
  if (what !== 'gate')
    for (const { jobs } of stores.queue.lanes.values())
      for (const { data } of jobs.values()) oracle.jobLost(data);
  if (what !== 'queue') stores.gate.clear();
  if (what !== 'gate') stores.queue.clear();
  if (what === 'redis') stores.roster.clear();
}

/** What an operator may do to a job on the board, and what a queue may do that only promises at least once. */
function handleJob({ stores, history, oracle }: World, { what, nth }: Step & { do: 'job' }): void {
  const all = [...stores.queue.lanes].flatMap(([lane, { jobs }]) =>
    [...jobs.values()].map(job => ({ lane, job })),
  );
  const chosen = all[all.length - 1 - (nth % Math.max(1, all.length))];
  if (!chosen) return;
  const { lane, job } = chosen;
  history.say(`job ${job.id} (${job.state}): ${what}`);
  if (what === 'lose') {
    oracle.jobLost(job.data);
    stores.queue.lose(lane, job.id);
  }
  if (what === 'retry') stores.queue.retry(lane, job.id);
  if (what === 'shuffle') stores.queue.shuffle(lane);
  if (what !== 'lose') stores.roster.want(lane);
  if (what === 'repeat') stores.queue.add(lane, { ...job, id: `${job.id} again` });
}

/** Somebody's transaction has the lock on a coupon's row: settles wait for it, with what they saw before. */
function hold({ stores, history, healed }: World, { coupon, ms }: Step & { do: 'hold' }): void {
  const name = couponNames[coupon] as string;
  void stores.tables.locked(name, async () => {
    history.say(`the row of ${name} is locked for ${ms} ms`);
    await Promise.race([sleep(ms), healed]);
  });
}

async function changeByHand(world: World, nth: number, change: HandChange): Promise<void> {
  const name = couponNames[nth] as string;
  if (change.to !== 'create') return world.stores.tables.locked(name, () => changeRow(world, name, change));
  world.history.say(`by hand, ${name}: create`);
  world.createCoupon(nth);
}

function changeRow(
  { stores: { tables }, oracle, history }: World,
  name: string,
  change: Exclude<HandChange, { to: 'create' }>,
): void {
  const coupon = tables.rows.coupons.get(name);
  history.say(`by hand, ${name}: ${Object.values(change).join(' ')}`);
  if (change.to === 'delete') {
    oracle.willDelete(name);
    tables.remove(name);
  } else if (change.to === 'let go') {
    const userId = people[change.person] as string;
    oracle.willDelete(name, userId);
    tables.letGo(name, userId);
  } else if (coupon) tables.change(name, valuesOf(change, coupon, Date.now()));
}

type PlainChange = Exclude<HandChange, { to: 'create' | 'delete' | 'let go' }>;

/** The columns that a change by hand sets. */
function valuesOf(change: PlainChange, coupon: Coupon, nowMs: number): Partial<Coupon> {
  const { amount, remaining } = coupon;
  switch (change.to) {
    case 'raise':
      return { amount: amount + change.by, remaining: remaining + change.by };
    case 'lower': {
      const by = Math.min(change.by, remaining, amount - 1);
      return { amount: amount - by, remaining: remaining - by };
    }
    case 'limit':
      return { limit: change.by };
    case 'pause':
      return { status: 'paused' };
    case 'end':
      return { status: 'ended' };
    case 'open':
      return { status: 'active', startsAtMs: null, endsAtMs: null };
    case 'over':
      return { startsAtMs: null, endsAtMs: nowMs - hourMs };
    case 'later':
      return { startsAtMs: nowMs + hourMs, endsAtMs: null };
    case 'soon':
      return { startsAtMs: nowMs + soonMs, endsAtMs: nowMs + 2 * soonMs };
  }
}
