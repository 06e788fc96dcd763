import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { transaction } from '@claimline/db/transaction';
import { metrics } from '@claimline/telemetry/metrics';
import type { StoreInvariant, Stores, Target } from './drift.ts';
import { laneOf } from './lane-name.ts';
import { mendLine } from './mend-line.ts';
import { restorePlaces } from './restore-places.ts';

const repairCountsStatement = sqlFile(import.meta.url, './verify/repair-counts.sql');

/** A finding, as far as it decides whether it can be repaired. */
type Repairable = { isNote: boolean; found: unknown };

/**
 * `run` decides by what is there at its own moment and answers what it did, or null for nothing. `can` says whether it
 * is for this finding at all; left out, it always is.
 */
export type Repair = {
  does: string;
  can?: (finding: Repairable) => boolean;
  run: (house: { databaseUrl: string; stores: Stores }, target: Target) => Promise<string | null>;
};

type CountsRow = { before: object; after: object };

async function setCounts(databaseUrl: string, { id }: Target): Promise<string | null> {
  const row = await transaction(databaseUrl, async tx => {
    // A statement that counts has to begin after the lock, so that it sees all that was granted before.
    await tx`select from coupons where id = ${id} for update`;
    const [set] = await tx.unsafe<CountsRow[]>(repairCountsStatement, [id]);
    return set;
  });
  if (!row) return null;
  metrics.repairs.inc({ what: 'counters set' });
  return `counters and stock set, from ${JSON.stringify(row.before)} to ${JSON.stringify(row.after)}`;
}

const counts: Repair = {
  does: 'set counters and stock by the claims',
  can({ isNote, found }) {
    const { is_sound: isSound, has_book: hasBook } = found as { is_sound?: boolean; has_book?: boolean };
    return !isNote && isSound === true && hasBook !== true;
  },
  run: ({ databaseUrl }, target) => setCounts(databaseUrl, target),
};

const stock: Repair = {
  does: 'set the stock by the codes',
  run: ({ databaseUrl }, target) => setCounts(databaseUrl, target),
};

const line: Repair = {
  does: 'add the jobs again, and take decided tickets out of the line',
  async run({ stores }, { id }) {
    const { added, takenOut } = await mendLine(stores, id);
    if (added + takenOut === 0) return null;
    return `${added} claims added to the queue again, ${takenOut} decided tickets taken out of the line`;
  },
};

const places: Repair = {
  does: 'give the places in line back',
  async run({ stores }, { id }) {
    const restored = await restorePlaces(stores, id);
    return restored > 0 ? `${restored} claims have their places in line again` : null;
  },
};

const lane: Repair = {
  does: 'want the lane, so that a worker opens it and comes to the end of its jobs',
  can: ({ found }) => !(found as { wanted?: boolean }).wanted,
  async run({ stores: { engine } }, { lane: wanted, name }) {
    const [state] = await engine.roster.look([wanted]);
    // One that is wanted waits for its turn, and would lose it.
    if (state?.wanted) return null;
    await engine.roster.want(wanted, name);
    metrics.repairs.inc({ what: 'lane wanted' });
    return 'lane wanted';
  },
};

const gate: Repair = {
  does: 'let the gate forget the coupon, so that it is loaded again',
  async run({ stores }, { id }) {
    return (await forgetAtGate(stores, id)) ? 'the gate forgot what it knew of the coupon' : null;
  },
};

/** Lets the shared gate forget a coupon, but not who is in line: the next claim loads it again. False where it knew nothing. */
export async function forgetAtGate({ probe }: Stores, couponId: string): Promise<boolean> {
  const { known } = (await probe?.look(couponId)) ?? { known: null };
  if (!known) return false;
  await probe?.forget(couponId, known);
  metrics.repairs.inc({ what: 'gate forgot a coupon' });
  return true;
}

const repairs: Record<string, Repair> = {
  'remaining-is-what-is-left': counts,
  'claimed-count-is-the-rows': counts,
  'stock-is-the-codes': stock,
  ...({
    'places-are-undecided': line,
    'places-have-a-job': line,
    'lanes-with-jobs-are-open': lane,
    'jobs-are-undecided': lane,
    'jobs-have-a-place': places,
    'gate-agrees-with-table': gate,
    'gate-holders-hold': gate,
  } satisfies Partial<Record<StoreInvariant, Repair>>),
};

/** What puts a finding right, null where that is for people to decide. */
export function repairFor(finding: Repairable & { invariant: string }): Repair | null {
  const repair = repairs[finding.invariant];
  return repair && (repair.can?.(finding) ?? true) ? repair : null;
}

/** The coupons of these names, by name. */
export async function findByName(sql: Sql, names: string[]): Promise<Map<string, Target>> {
  const rows = await sql<
    { id: string; name: string }[]
  >`select id, name from coupons where name = any(${names})`;
  return new Map(rows.map(row => [row.name, { ...row, lane: laneOf(row.id) }]));
}
