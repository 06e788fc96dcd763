import { type Check, type Progress, runChecks } from '@claimline/db/checks';
import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import type { Target } from './drift.ts';
import { findByName, type Repair, repairFor } from './repairs.ts';
import { claimChecks, findLasting, openStores } from './verify.ts';

const limits = {
  /** Coupons whose counters are put right in one run. */
  countsMost: 10_000,
} as const;

/** Notes of the tables that are about the stock: units of claims that were deleted by hand. */
const notedOfTables = new Set(['remaining-is-what-is-left']);

/** Something that is not as it should be. `repair` says what would put it right, null what people have to decide. */
export type Drift = { invariant: string; coupon: string; found: unknown; repair: string | null };

/** What is allowed and worth a look: `count` times of this kind with this coupon, `found` being the first. */
export type Noted = Drift & { count: number };

/** `noted` needs no repair, and gets one where there is one. `done` says what was done, a line each. */
export type Reconciled = { drift: Drift[]; noted: Noted[]; done: string[] };

type Found = { invariant: string; isNote: boolean; target: Target | null; name: string; found: unknown };

/**
 * Finds what crashes and hands have left between gate, queue and tables and, where `isRepairing`, puts it
 * right. Each repair decides by what is there at its own moment, so it may run in mid-sale, and twice.
 *
 * @param stockChecks what other slices promise about the stock of coupons
 * @param alone runs the repairs while nobody else repairs; what is found before may take long and holds up nobody
 */
export async function reconcile(
  house: { databaseUrl: string; sql: Sql; engine: Engine },
  {
    coupon = null,
    isRepairing,
    stockChecks = [],
    alone = work => work(),
    onProgress,
  }: {
    coupon?: string | null;
    isRepairing: boolean;
    stockChecks?: Check[];
    alone?: <T>(work: () => Promise<T>) => Promise<T>;
    onProgress?: Progress | undefined;
  },
): Promise<Reconciled> {
  const stores = openStores(house);
  const checks = [claimChecks[0] as Check, ...stockChecks];
  const found = await findCounts(house, checks, coupon, onProgress);
  for (const one of await findLasting(stores, coupon, onProgress))
    found.push({ ...one, name: one.target.name });
  const drift = found.filter(one => !one.isNote).map(describe);
  const noted = countNotes(found.filter(one => one.isNote));
  const isRepairable = found.some(one => one.target && repairFor(one));
  if (!isRepairing || !isRepairable) return { drift, noted, done: [] };
  const done = await alone(() => repairAll({ databaseUrl: house.databaseUrl, stores }, found));
  return { drift, noted, done };
}

/** Repairs each coupon once in each way that is called for; answers what was done, a line each. */
async function repairAll(house: Parameters<Repair['run']>[0], found: Found[]): Promise<string[]> {
  const done: string[] = [];
  const repaired = new Map<string, Set<Repair>>();
  for (const one of found) {
    const { target } = one;
    const repair = repairFor(one);
    if (!repair || !target) continue;
    const those = repaired.get(target.id) ?? new Set();
    if (those.has(repair)) continue;
    repaired.set(target.id, those.add(repair));
    const did = await repair.run(house, target);
    if (did) done.push(`${target.name}: ${did}`);
  }
  return done;
}

function describe(one: Found): Drift {
  const { invariant, name, found } = one;
  return { invariant, coupon: name, found, repair: repairFor(one)?.does ?? null };
}

/** A queue that has lost its line has a million of one kind. */
function countNotes(notes: Found[]): Noted[] {
  const counted = new Map<string, Noted>();
  for (const one of notes) {
    const key = JSON.stringify([one.invariant, one.target?.id ?? one.name]);
    const known = counted.get(key);
    if (known) known.count++;
    else counted.set(key, { ...describe(one), count: 1 });
  }
  return [...counted.values()];
}

/** What the counters and the stock of coupons say against their claims and codes. */
async function findCounts(
  { databaseUrl, sql }: { databaseUrl: string; sql: Sql },
  checks: Check[],
  coupon: string | null,
  onProgress: Progress | undefined,
): Promise<Found[]> {
  const verdicts = await runChecks(databaseUrl, checks, { coupon, onProgress, rowsMost: limits.countsMost });
  const found = verdicts.flatMap(({ name: invariant, rows, noteRows }) => {
    const of = (those: unknown[], isNote: boolean) =>
      those.map(row => ({ invariant, isNote, name: (row as { coupon: string }).coupon, found: row }));
    return [...of(rows, false), ...of(notedOfTables.has(invariant) ? noteRows : [], true)];
  });
  const byName = await findByName(
    sql,
    found.map(one => one.name),
  );
  return found.map(one => ({ ...one, target: byName.get(one.name) ?? null }));
}
