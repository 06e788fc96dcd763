import type { Clients } from './client.ts';
import { couponNames, type HandChange, people, type Step } from './schedule.ts';
import type { World } from './world.ts';

const hourMs = 3_600_000;
const soonMs = 40;

/** Does one step of a schedule, without waiting for what comes of it. */
export function act(world: World, clients: Clients, step: Step): void {
  const { stores, oracle, history, faults } = world;
  switch (step.do) {
    case 'claim': {
      const api = world.api(step.api);
      const name = couponNames[step.coupon] as string;
      if (api) for (const person of step.people) void clients.claim(api, name, people[person] as string, step.waits);
      return;
    }
    case 'poll': {
      const api = world.api(step.api);
      const ticket = [...clients.told.keys()][step.ticket];
      if (api && ticket) void clients.read(api, ticket);
      return;
    }
    case 'hand':
      return changeByHand(world, step.coupon, step.change);
    case 'fault':
      return faults.arm(step);
    case 'kill':
      return world.at(step.side, step.nth).process.kill();
    case 'freeze':
      return world.at(step.side, step.nth).process.freeze(step.ms);
    case 'deafen': {
      const changes = world.api(step.api)?.changes;
      history.say(`api ${1 + (step.api % world.apiCount)}: notifications ${step.how} for ${step.ms} ms`);
      if (step.how === 'cut') changes?.cut(step.ms);
      else changes?.delay(step.ms);
      return;
    }
    case 'outage':
      return void world.takeAway(stores[step.store], step.ms);
    case 'empty':
      return empty(world, step.what);
    case 'job':
      return handleJob(world, step);
  }
}

function empty({ stores, history }: World, what: 'gate' | 'queue' | 'redis'): void {
  if (!stores.gate) return;
  history.say(`the ${what} is emptied`);
  if (what !== 'queue') stores.gate.clear();
  if (what !== 'gate') stores.queue.clear();
  if (what === 'redis') stores.roster.clear();
}

/** What an operator may do to a job on the board, and what a queue may do that only promises at least once. */
function handleJob({ stores, history }: World, { what, nth }: Step & { do: 'job' }): void {
  const all = [...stores.queue.lanes].flatMap(([lane, { jobs }]) =>
    [...jobs.values()].map(job => ({ lane, job })),
  );
  const chosen = all[all.length - 1 - (nth % Math.max(1, all.length))];
  if (!chosen) return;
  const { lane, job } = chosen;
  history.say(`job ${job.id} (${job.state}): ${what}`);
  if (what === 'lose') stores.queue.lose(lane, job.id);
  if (what === 'retry') stores.queue.retry(lane, job.id);
  if (what === 'shuffle') stores.queue.shuffle(lane);
  if (what === 'repeat') stores.queue.add(lane, { ...job, id: `${job.id} again` });
}

function changeByHand({ stores, oracle, history, createCoupon }: World, nth: number, change: HandChange): void {
  const { tables } = stores;
  const name = couponNames[nth] as string;
  const coupon = tables.rows.coupons.get(name);
  history.say(`by hand, ${name}: ${Object.values(change).join(' ')}`);
  if (change.to === 'create') return createCoupon(nth);
  if (!coupon) return;
  const { amount, remaining } = coupon;
  switch (change.to) {
    case 'raise':
      return tables.change(name, { amount: amount + change.by, remaining: remaining + change.by });
    case 'lower': {
      const by = Math.min(change.by, remaining, amount - 1);
      return tables.change(name, { amount: amount - by, remaining: remaining - by });
    }
    case 'limit':
      return tables.change(name, { limit: change.by });
    case 'pause':
      return tables.change(name, { status: 'paused' });
    case 'end':
      return tables.change(name, { status: 'ended' });
    case 'open':
      return tables.change(name, { status: 'active', startsAtMs: null, endsAtMs: null });
    case 'over':
      return tables.change(name, { startsAtMs: null, endsAtMs: Date.now() - hourMs });
    case 'later':
      return tables.change(name, { startsAtMs: Date.now() + hourMs, endsAtMs: null });
    case 'soon':
      return tables.change(name, { startsAtMs: Date.now() + soonMs, endsAtMs: Date.now() + 2 * soonMs });
    case 'delete':
      oracle.willDelete(name);
      return tables.remove(name);
    case 'let go':
      oracle.willDelete(name, people[change.person]);
      return tables.letGo(name, people[change.person] as string);
  }
}
