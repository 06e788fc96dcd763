import type { CouponFacts } from '@claimline/coupons';
import { describeWithRedis, openTestEngine, startTestStores } from '@claimline/queue/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createGate } from './create-gate.ts';
import type { Candidate, Gate } from './gate.ts';
import { createLocalGate } from './gate-local.ts';
import type { Decision, Settled } from './outcome.ts';
import {
  couponFacts,
  granted,
  nextTicket,
  pages,
  type Random,
  refused,
  seededRandom,
  settledNews,
} from './testing.ts';

const seeds = Array.from({ length: 30 }, (_, i) => i + 1);
const stepsPerWalk = 150;
const users = ['ada', 'eve', 'kim', 'two words', 'line\nbreak', '☂'];
const NOW = 1_800_000_000_000;

/** What is so, in the tables and in the queue, whatever a gate remembers of it. */
type Truth = {
  coupon: CouponFacts;
  /** As it was before it was last changed by hand. */
  older: CouponFacts;
  held: Map<string, { count: number; ticket: string }>;
  waiting: Map<string, { userId: string; line: number }>;
  past: Candidate[];
  news: Settled | null;
};

describeWithRedis('the two gates', () => {
  let stop = async () => {};
  let shared: Gate;
  beforeAll(async () => {
    const stores = await startTestStores('redis');
    const opened = await openTestEngine(stores, 'accepting');
    shared = createGate(opened.engine);
    stop = async () => {
      await opened.close();
      await stores.stop();
    };
  });
  afterAll(() => stop());

  test.each(seeds)('say the same, whatever they are asked and told (seed %i)', async seed => {
    const random = seededRandom(seed);
    const gates = [shared, createLocalGate()] as const;
    const coupon = couponFacts({ remaining: 3, perUserLimit: 1 + random.below(2) });
    const truth: Truth = {
      coupon,
      older: { ...coupon, epoch: 0 },
      held: new Map(),
      waiting: new Map(),
      past: [],
      news: null,
    };
    for (let step = 0; step < stepsPerWalk; step++) {
      const [name, act] = random.pick(steps);
      const [one, other] = await act(gates, truth, random);
      expect([seed, step, name, other]).toEqual([seed, step, name, one]);
    }
  });
});

type Step = (gates: readonly [Gate, Gate], truth: Truth, random: Random) => Promise<unknown[]>;

const steps: [string, Step][] = [
  ['admit', admit],
  ['admit', admit],
  ['admit', admit],
  ['settle', settle],
  ['settle', settle],
  ['settle again', ask(async (gate, { news }) => news && gate.settled(news))],
  ['change by hand', changeByHand],
  ['load', ask(load)],
  ['give back', giveBack],
  ['places', places],
  ['read line', ask(async (gate, { coupon }) => withoutRate(await gate.readLine(coupon.id)))],
  ['find', find],
];

/** Asks both gates the same. */
function ask(question: (gate: Gate, truth: Truth) => Promise<unknown>): Step {
  return async (gates, truth) => [await question(gates[0], truth), await question(gates[1], truth)];
}

async function load(gate: Gate, { coupon, held, waiting }: Truth): Promise<string> {
  if (await gate.renew(coupon)) return 'renewed';
  const holders = [...held].map(([userId, one]) => ({ userId, ...one }));
  const inLine = [...waiting].map(([ticket, one]) => ({ ticket, ...one }));
  await gate.load(coupon, pages(holders), inLine);
  return 'loaded';
}

async function admit(gates: readonly [Gate, Gate], truth: Truth, random: Random): Promise<unknown[]> {
  const coupon = random.chance(0.1) ? truth.older : truth.coupon;
  const isLook = random.chance(0.1);
  const candidates = Array.from({ length: 1 + random.below(4) }, () => ({
    userId: random.pick(users),
    ticket: isLook ? '' : nextTicket(),
  }));
  const nowMs = random.pick([undefined, NOW - 1, NOW, NOW + 1]);
  const answers = [
    await gates[0].admit(coupon, candidates, nowMs),
    await gates[1].admit(coupon, candidates, nowMs),
  ];
  const [first] = answers;
  if (first === 'load' && random.chance(0.7)) for (const gate of gates) await load(gate, truth);
  if (typeof first === 'object')
    for (const [i, verdict] of first.verdicts.entries())
      if (verdict.kind === 'admitted') {
        const { userId, ticket } = candidates[i] as Candidate;
        truth.waiting.set(ticket, { userId, line: verdict.line });
      }
  return answers.map(answer =>
    typeof answer === 'string' ? answer : { ...answer, line: withoutRate(answer.line) },
  );
}

async function settle(gates: readonly [Gate, Gate], truth: Truth, random: Random): Promise<unknown[]> {
  const { coupon, held, waiting } = truth;
  const decisions: [string, Decision][] = [];
  for (const [ticket, { userId }] of waiting) {
    if (random.chance(0.5)) continue;
    waiting.delete(ticket);
    truth.past.push({ userId, ticket });
    const count = held.get(userId)?.count ?? 0;
    if (count >= coupon.perUserLimit)
      decisions.push([ticket, refused(userId, 'already_claimed', held.get(userId)?.ticket)]);
    else if (coupon.remaining === 0) decisions.push([ticket, refused(userId, 'sold_out')]);
    else {
      coupon.remaining--;
      held.set(userId, { count: count + 1, ticket });
      decisions.push([ticket, granted(userId, count + 1)]);
    }
  }
  if (decisions.length === 0) return [];
  truth.coupon = { ...coupon, revision: coupon.revision + 1 };
  truth.news = settledNews(coupon, {}, decisions);
  for (const gate of gates) await gate.settled(truth.news);
  return [];
}

async function changeByHand(_gates: unknown, truth: Truth, random: Random): Promise<unknown[]> {
  const { coupon, held } = truth;
  const perUserLimit = random.chance(0.5) ? coupon.perUserLimit : 1 + random.below(2);
  const isLetGo = random.chance(0.3) && held.delete(random.pick(users));
  const isOfClaims = isLetGo || perUserLimit !== coupon.perUserLimit;
  truth.older = coupon;
  truth.coupon = {
    ...coupon,
    epoch: coupon.epoch + 1,
    claimsEpoch: coupon.claimsEpoch + (isOfClaims ? 1 : 0),
    revision: coupon.revision + 1,
    remaining: random.below(4),
    status: random.pick(['active', 'active', 'active', 'paused', 'ended']),
    startsAtMs: random.pick([null, null, NOW]),
    endsAtMs: random.pick([null, null, NOW + 1]),
    perUserLimit,
  };
  return [];
}

async function giveBack(gates: readonly [Gate, Gate], truth: Truth, random: Random): Promise<unknown[]> {
  const inLine = [...truth.waiting].map(([ticket, { userId }]) => ({ userId, ticket }));
  const entries = [...inLine, ...truth.past].filter(() => random.chance(0.2));
  for (const { ticket, userId } of entries)
    if (truth.waiting.delete(ticket)) truth.past.push({ userId, ticket });
  for (const gate of gates) await gate.giveBack(truth.coupon.id, entries);
  return [];
}

async function places(gates: readonly [Gate, Gate], truth: Truth, random: Random): Promise<unknown[]> {
  const olderThanMs = random.chance(0.2) ? 60_000 : 0;
  const belowLine = random.chance(0.5) ? 1 + random.below(30) : Number.MAX_SAFE_INTEGER;
  return Promise.all(
    gates.map(async gate => {
      const found = await gate.places(truth.coupon.id, { olderThanMs, belowLine, most: 1000 });
      return found.sort((a, b) => a.line - b.line);
    }),
  );
}

async function find(gates: readonly [Gate, Gate], truth: Truth, random: Random): Promise<unknown[]> {
  const known = [...truth.waiting.keys(), ...truth.past.map(one => one.ticket)];
  const ticket = known.length > 0 ? random.pick(known) : nextTicket();
  return Promise.all(
    gates.map(async gate => {
      const found = await gate.find(truth.coupon.id, ticket);
      return found && { ...found, state: withoutRate(found.state) };
    }),
  );
}

/** How fast a line moves is each gate's own measurement. */
function withoutRate({ inLine, done }: { inLine: number; done: number }) {
  return { inLine, done };
}
