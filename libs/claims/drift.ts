import type { CouponFacts } from '@claimline/coupons';
import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import type { Gate } from './gate.ts';
import type { GateProbe, KnownCoupon } from './gate-probe.ts';
import { laneOf } from './lane-name.ts';
import { claimsOf, decidedAmong } from './load-gate.ts';
import { findLostPlaces } from './mend-line.ts';

const limits = {
  /** Jobs of each state whose claims are looked at one by one. */
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

/** A coupon as it is visited: `lane` when its lane was wanted lately, and whether a worker has it open. */
export type Visited = { id: string; name: string; lane: { open: boolean } | null };

/** A difference. The same one has the same `key` when it is found again. */
export type Finding = {
  invariant: StoreInvariant;
  isNote: boolean;
  coupon: Visited;
  key: string;
  found: Record<string, unknown>;
};

export type Stores = { sql: Sql; engine: Engine; gate: Gate; probe: GateProbe | null };

/** Compares gate, queue and tables of one coupon. What is only in flight is among the findings. */
export async function findDrift(stores: Stores, coupon: Visited): Promise<Finding[]> {
  const findings: Finding[] = [];
  function add(invariant: StoreInvariant, key: string, found: Record<string, unknown>, isNote = false) {
    const about = { coupon: coupon.name, coupon_id: coupon.id, ...found };
    findings.push({ invariant, isNote, coupon, key: `${invariant} ${coupon.id} ${key}`, found: about });
  }
  const inLine = stores.probe ? await compareGate(stores, stores.probe, coupon, add) : 0;
  if (coupon.lane) await lookAtJobs(stores, { ...coupon, lane: coupon.lane }, add);
  if (inLine === 0) return findings;
  const { decided, jobless } = await findLostPlaces(stores, coupon.id);
  for (const place of decided) add('places-are-undecided', place.ticket, place);
  for (const place of jobless) add('places-have-a-job', place.ticket, place);
  return findings;
}

type Add = (invariant: StoreInvariant, key: string, found: Record<string, unknown>, isNote?: boolean) => void;

/** First the gate, then the table, which is told first: a gate that is ahead is no matter of time. */
async function compareGate({ sql }: Stores, probe: GateProbe, { id }: Visited, add: Add): Promise<number> {
  const { known, inLine } = await probe.look(id);
  if (!known) return inLine;
  const row = await readRow(sql, id);
  // What is known of a coupon that is gone is never asked for again, and expires.
  if (!row || known.epoch < row.epoch) return inLine;
  const what = whatDiffers(known, row);
  if (what) add('gate-agrees-with-table', what, { what, gate: known, table: row });
  if (known.epoch > row.epoch) return inLine;
  for await (const page of probe.held(id, known.epoch)) {
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

async function lookAtJobs(
  { engine, sql, probe }: Stores,
  { id, lane }: Visited & { lane: { open: boolean } },
  add: Add,
) {
  const undecided = await engine.countUndecided(laneOf(id));
  if (undecided === 0) return;
  if (!lane.open) add('lanes-with-jobs-are-open', '', { jobs: undecided });
  const { jobs } = await engine.listUndecided(laneOf(id), limits.jobsMost);
  const claims = claimsOf(jobs, id);
  const placeless = new Set(
    await probe?.placeless(
      id,
      claims.map(one => one.ticket),
    ),
  );
  const decided = await decidedAmong(sql, claims);
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
      id, name, epoch, revision, remaining_amount as remaining, status, per_user_limit as "perUserLimit",
      starts_at, ends_at
    from coupons where id = ${id}`;
  if (!row) return null;
  const { starts_at, ends_at, ...facts } = row;
  return { ...facts, startsAtMs: starts_at?.getTime() ?? null, endsAtMs: ends_at?.getTime() ?? null };
}
