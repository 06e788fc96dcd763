import { type Check, type Progress, runChecks } from '@claimline/db/checks';
import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import { findByName, type Repair, repairs } from './repairs.ts';
import { claimChecks, findLasting, openStores } from './verify.ts';

const limits = {
  /** Coupons whose counters are put right in one run. */
  countsMost: 10_000,
} as const;

/** Something that is not as it should be. `repair` says what would put it right, null what people have to decide. */
export type Drift = { invariant: string; coupon: string; found: unknown; repair: string | null };

type Found = { invariant: string; coupon: { id: string; name: string } | null; name: string; found: unknown };

/**
 * Finds what crashes and hands have left between gate, queue and tables and, where `isRepairing`, puts it
 * right. Each repair decides by what is there at its own moment, so it may run in mid-sale, and twice.
 * Callers see to it that one runs at a time. `done` says what was done, a line each.
 */
export async function reconcile(
  house: { databaseUrl: string; sql: Sql; engine: Engine },
  {
    coupon = null,
    isRepairing,
    onProgress,
  }: { coupon?: string | null; isRepairing: boolean; onProgress?: Progress | undefined },
): Promise<{ drift: Drift[]; done: string[] }> {
  const stores = openStores(house);
  const found = await findCounts(house, coupon, onProgress);
  for (const one of await findLasting(stores, coupon, onProgress))
    if (!one.isNote) found.push({ ...one, name: one.coupon.name });
  const drift = found.map(({ invariant, name, found: what }) => ({
    ...{ invariant, coupon: name, found: what },
    repair: repairs[invariant]?.does ?? null,
  }));
  if (!isRepairing) return { drift, done: [] };

  const done: string[] = [];
  const repaired = new Map<string, Set<Repair>>();
  for (const { invariant, coupon: target } of found) {
    const repair = repairs[invariant];
    if (!repair || !target) continue;
    const those = repaired.get(target.id) ?? new Set();
    if (those.has(repair)) continue;
    repaired.set(target.id, those.add(repair));
    const did = await repair.run({ databaseUrl: house.databaseUrl, stores }, target);
    if (did) done.push(`${target.name}: ${did}`);
  }
  return { drift, done };
}

/** What the counters of coupons say against their claims. */
async function findCounts(
  { databaseUrl, sql }: { databaseUrl: string; sql: Sql },
  coupon: string | null,
  onProgress: Progress | undefined,
): Promise<Found[]> {
  const counts = claimChecks.slice(0, 1) as [Check];
  const verdicts = await runChecks(databaseUrl, counts, { coupon, onProgress, rowsMost: limits.countsMost });
  const found = verdicts.flatMap(({ name: invariant, rows }) =>
    rows.map(row => ({ invariant, name: (row as { coupon: string }).coupon, found: row })),
  );
  const byName = await findByName(
    sql,
    found.map(one => one.name),
  );
  return found.map(one => ({ ...one, coupon: byName.get(one.name) ?? null }));
}
