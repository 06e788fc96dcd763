import type { Check, Progress, Verdict } from '@claimline/db/checks';
import { checkLimits } from '@claimline/db/checks';
import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { pause } from '@claimline/kernel/backoff';
import type { Engine } from '@claimline/queue/engine';
import { createGate } from './create-gate.ts';
import {
  type Finding,
  findDrift,
  gateInvariants,
  type Stores,
  storeInvariants,
  type Visited,
} from './drift.ts';
import { createGateProbe } from './gate-probe.ts';
import { listAll } from './visit-coupons.ts';

export const verifyLimits = {
  /**
   * A difference between two stores counts when it is still there after this. A worker that is killed
   * between the commit and the gate leaves one until its job has been taken over, 5.5 s at most. Lines that
   * workers mend have their time besides (`mendMs`).
   */
  inFlightMs: 12_000,
  /** The first look after a difference was found, and then each twice as late. */
  firstLookMs: 250,
  /** Coupons and lanes looked at side by side. */
  sideBySide: 4,
} as const;

/** What the tables promise about coupons and claims. */
export const claimChecks: Check[] = [
  {
    invariants: {
      'claims-have-a-coupon': 'every claim is of a coupon that exists',
      'grants-within-amount': 'no coupon has more claims than its amount',
      'remaining-is-what-is-left': 'remaining_amount is the amount less the claims',
      'claimed-count-is-the-rows': 'claimed_count is the number of claims',
      'sequence-is-contiguous': 'the claims of a coupon are numbered from 1 without gaps',
    },
    sql: sqlFile(import.meta.url, './verify/counts.sql'),
  },
  {
    invariants: {
      'one-grant-per-person-and-ordinal': 'nobody has two claims of one ordinal',
      'ordinals-are-contiguous': 'the claims of a person are numbered from 1 without gaps',
      'person-within-limit': 'nobody was granted more than their limit',
    },
    sql: sqlFile(import.meta.url, './verify/persons.sql'),
  },
  {
    invariants: { 'tickets-are-decided-once': 'no ticket is granted twice, or granted and refused' },
    sql: sqlFile(import.meta.url, './verify/tickets.sql'),
  },
  {
    invariants: {
      'granted-while-open': 'nothing was granted while the coupon was paused, ended or not started',
      'times-are-possible': 'nothing was decided in the future, or before its coupon existed',
      'refusals-have-a-reason': 'every refusal has a reason of the closed list',
    },
    sql: sqlFile(import.meta.url, './verify/decisions.sql'),
  },
];

/**
 * What gate and queue are compared through. Where the gate is each API process's own it is not seen.
 *
 * @param mendMs how often workers mend lines, for whoever leaves them their turn
 */
export function openStores({ sql, engine }: { sql: Sql; engine: Engine }, mendMs = 0): Stores {
  const probe = engine.scripts ? createGateProbe(engine.scripts) : null;
  return { sql, engine, gate: createGate(engine), probe, mendMs };
}

/**
 * Compares gate and queue with the tables, of all coupons or one, and the lanes of all slices with their workers. In a
 * sale that goes on, stores differ for moments: what differs is looked at again until it agrees, or has differed for
 * `inFlightMs`.
 */
export async function verifyStores(
  house: { sql: Sql; engine: Engine },
  {
    coupon = null,
    mendMs = 0,
    onProgress = () => {},
  }: { coupon?: string | null; mendMs?: number; onProgress?: Progress | undefined } = {},
): Promise<Verdict[]> {
  const stores = openStores(house, mendMs);
  const invariants = stores.probe ? { ...storeInvariants, ...gateInvariants } : storeInvariants;
  const findings = await findLasting(stores, coupon, onProgress);
  return Object.entries(invariants).map(([name, title]) => {
    const of = (isNote: boolean) =>
      findings.filter(one => one.invariant === name && one.isNote === isNote).map(one => one.found);
    const [violations, notes] = [of(false), of(true)];
    const [rows, noteRows] = [violations, notes].map(found => found.slice(0, checkLimits.shownMost));
    return {
      ...{ name, title, violations: violations.length, notes: notes.length },
      ...{ rows: rows ?? [], noteRows: noteRows ?? [] },
    };
  });
}

/** The differences of all coupons, or of one, that last. */
export async function findLasting(
  stores: Stores,
  couponName: string | null,
  onProgress: Progress = () => {},
): Promise<Finding[]> {
  const { sql, engine } = stores;
  const targets = await listAll(sql, engine, couponName);
  let findings = await findAll(stores, targets, onProgress);
  const untilMs = performance.now() + verifyLimits.inFlightMs;
  for (let waitMs: number = verifyLimits.firstLookMs; findings.length > 0; waitMs *= 2) {
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0) break;
    await pause(Math.min(waitMs, leftMs));
    const suspects = new Set(findings.map(one => one.target.id));
    const now = await listAll(sql, engine, couponName);
    const again = await findAll(
      stores,
      now.filter(target => suspects.has(target.id)),
    );
    const keys = new Set(findings.map(one => one.key));
    findings = again.filter(one => keys.has(one.key));
  }
  return findings;
}

async function findAll(
  stores: Stores,
  targets: Visited[],
  onProgress: Progress = () => {},
): Promise<Finding[]> {
  const findings: Finding[] = [];
  let next = 0;
  async function visit() {
    for (let target = targets[next++]; target; target = targets[next++]) {
      onProgress(next, targets.length, 'gate and queue');
      findings.push(...(await findDrift(stores, target)));
    }
  }
  await Promise.all(Array.from({ length: verifyLimits.sideBySide }, visit));
  return findings;
}
