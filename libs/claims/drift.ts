import type { CouponFacts } from '@claimline/coupons';
import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import type { ListedLane } from '@claimline/queue/roster';
import { type Gate, gateLimits } from './gate.ts';
import type { GateProbe, KnownCoupon } from './gate-probe.ts';
import { claimsOf, decidedAmong } from './load-gate.ts';
import { findLostPlaces } from './mend-line.ts';

const limits = {
  /** Jobs of each state whose claims are looked at one by one, the oldest ones. */
  jobsMost: 500,
} as const;

/** What gate and queue promise about the tables, and each other. */
export const storeInvariants = {
  'lanes-with-jobs-are-open': 'a lane that has jobs is open in a worker',
  'jobs-are-undecided': 'the claims of a job that waits are undecided',
};
export const gateInvariants = {
  'gate-agrees-with-table': 'the gate is not ahead of the table, and refuses nothing that the table has left',
  'gate-holders-hold': 'whoever the gate says holds a claim holds one',
  'places-are-undecided': 'whoever is in line is undecided',
  'places-have-a-job': 'whoever is in line is in a job',
  'jobs-have-a-place': 'whoever is in a job is in line',
};
export type StoreInvariant = keyof typeof storeInvariants | keyof typeof gateInvariants;

/** What is looked at, and put right: a coupon by its id, or a lane of another slice, which is its own id. */
export type Target = { id: string; name: string; lane: string };

/** A target as it is visited, with what the roster says of its lane: null when its jobs are not looked at. */
export type Visited = Target & { isCoupon: boolean; state: Pick<ListedLane, 'open' | 'wanted'> | null };

/** A difference. The same one has the same `key` when it is found again. */
export type Finding = {
  invariant: StoreInvariant;
  isNote: boolean;
  target: Visited;
  key: string;
  found: Record<string, unknown>;
};

/** `mendMs`: how often workers mend lines. What they have had no turn for is no finding. */
export type Stores = { sql: Sql; engine: Engine; gate: Gate; probe: GateProbe | null; mendMs: number };

/** Compares gate, queue and tables of one coupon, or a lane with its worker. What is only in flight is among the findings. */
export async function findDrift(stores: Stores, target: Visited): Promise<Finding[]> {
  const { id, name, lane, isCoupon } = target;
  const findings: Finding[] = [];
  function add(invariant: StoreInvariant, key: string, found: Record<string, unknown>, isNote = false) {
    const about = isCoupon ? { coupon: name, coupon_id: id } : { lane, label: name };
    const key_ = `${invariant} ${id} ${key}`;
    findings.push({ invariant, isNote, target, key: key_, found: { ...about, ...found } });
  }
  const inLine = stores.probe && isCoupon ? await compareGate(stores, stores.probe, id, add) : 0;
  const jobs = await findIdleJobs(stores, target, add);
  if (jobs > 0 && isCoupon) await lookAtJobs(stores, target, add);
  if (inLine === 0) return findings;
  const { decided, jobless } = await findLostPlaces(stores, id, gateLimits.orphanMs + stores.mendMs);
  for (const place of decided) add('places-are-undecided', place.ticket, place);
  for (const place of jobless) add('places-have-a-job', place.ticket, place);
  return findings;
}

type Add = (invariant: StoreInvariant, key: string, found: Record<string, unknown>, isNote?: boolean) => void;

/**
 * What a gate that was looked at before says otherwise than the table, which is told first: so a gate that is ahead is
 * no matter of time. `row` is null where there is nothing to compare.
 */
export async function compareWithTable(
  sql: Sql,
  id: string,
  known: KnownCoupon,
): Promise<{ row: CouponFacts | null; what: string | null }> {
  const row = await readRow(sql, id);
  // What is known of a coupon that is gone is never asked for again, and expires; an older epoch is loaded anew.
  if (!row || known.epoch < row.epoch) return { row: null, what: null };
  return { row, what: whatDiffers(known, row) };
}

async function compareGate({ sql }: Stores, probe: GateProbe, id: string, add: Add): Promise<number> {
  const { known, inLine } = await probe.look(id);
  if (!known) return inLine;
  const { row, what } = await compareWithTable(sql, id, known);
  if (!row) return inLine;
  if (what) add('gate-agrees-with-table', what, { what, gate: known, table: row });
  if (known.epoch > row.epoch) return inLine;
  for await (const page of probe.held(id, known.claimsEpoch)) {
    const counts = await readHeld(sql, row.name, page);
    for (const { userId, count } of page) {
      const held = counts.get(userId) ?? 0;
      const said = Math.min(count, known.perUserLimit);
      if (said > held) add('gate-holders-hold', userId, { user_id: userId, gate: said, table: held });
    }
  }
  return inLine;
}

function whatDiffers(gate: KnownCoupon, table: CouponFacts): string | null {
  if (gate.epoch > table.epoch) return 'the gate is of a later epoch';
  if (gate.revision > table.revision) return 'the gate is of a later revision';
  if (gate.remaining < table.remaining) return 'the gate has less left';
  if (gate.revision === table.revision && gate.remaining !== table.remaining) return 'the gate has more left';
  const facts = ['status', 'startsAtMs', 'endsAtMs', 'perUserLimit'] as const;
  return facts.some(fact => gate[fact] !== table[fact]) ? 'the gate has other terms' : null;
}

/**
 * How many jobs the lane has, 0 where it is not looked at. One that is wanted is opened by the next worker that has
 * room, as after a restart of all of them; one that is not wanted waits for ever.
 */
async function findIdleJobs({ engine }: Stores, { lane, state }: Visited, add: Add): Promise<number> {
  if (!state) return 0;
  const jobs = await engine.countUndecided(lane);
  const { open, wanted } = state;
  const what = wanted ? 'it waits for a worker that has room' : 'nobody wants it';
  if (jobs > 0 && !open) add('lanes-with-jobs-are-open', '', { jobs, wanted, what }, wanted);
  return jobs;
}

async function lookAtJobs({ engine, sql, probe }: Stores, { id, lane }: Visited, add: Add) {
  const { jobs } = await engine.listUndecided(lane, limits.jobsMost);
  const claims = claimsOf(jobs, id);
  const tickets = claims.map(one => one.ticket);
  const placeless = new Set(await probe?.placeless(id, tickets));
  const decided = await decidedAmong(sql, tickets);
  for (const one of claims) {
    if (decided.has(one.ticket)) add('jobs-are-undecided', one.ticket, one, true);
    else if (placeless.has(one.ticket)) add('jobs-have-a-place', one.ticket, one, true);
  }
}

async function readHeld(sql: Sql, couponName: string, page: { userId: string }[]) {
  const rows = await sql<{ user_id: string; held: number }[]>`
    select user_id, count(*) as held from claims
    where coupon_name = ${couponName} and user_id = any(${page.map(one => one.userId)})
    group by user_id`;
  return new Map(rows.map(row => [row.user_id, row.held]));
}

async function readRow(sql: Sql, id: string): Promise<CouponFacts | null> {
  const [row] = await sql<(CouponFacts & { starts_at: Date | null; ends_at: Date | null })[]>`
    select
      id, name, epoch, claims_epoch as "claimsEpoch", revision, remaining_amount as remaining, status,
      per_user_limit as "perUserLimit", starts_at, ends_at
    from coupons where id = ${id}`;
  if (!row) return null;
  const { starts_at, ends_at, ...facts } = row;
  return { ...facts, startsAtMs: starts_at?.getTime() ?? null, endsAtMs: ends_at?.getTime() ?? null };
}
