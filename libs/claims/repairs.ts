import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { transaction } from '@claimline/db/transaction';
import { metrics } from '@claimline/telemetry/metrics';
import type { StoreInvariant, Stores } from './drift.ts';
import { laneOf } from './lane-name.ts';
import { mendLine } from './mend-line.ts';

const repairCountsStatement = sqlFile(import.meta.url, './verify/repair-counts.sql');

/** `run` decides by what is there at its own moment and answers what it did, or null for nothing. */
export type Repair = {
  does: string;
  run: (
    house: { databaseUrl: string; stores: Stores },
    coupon: { id: string; name: string },
  ) => Promise<string | null>;
};

type CountsRow = { amount: number; remaining_amount: number; granted_count: number; claimed_count: number };

const counts: Repair = {
  does: 'set counters and stock by the claims',
  run: ({ databaseUrl }, { id }) =>
    transaction(databaseUrl, async tx => {
      // A statement that counts has to begin after the lock, so that it sees all that was granted before.
      await tx`select from coupons where id = ${id} for update`;
      const [row] = await tx.unsafe<CountsRow[]>(repairCountsStatement, [id]);
      return row ? `counters and stock set by the claims: ${JSON.stringify(row)}` : null;
    }),
};

const line: Repair = {
  does: 'add the jobs again, and take decided tickets out of the line',
  async run({ stores }, { id }) {
    const { added, takenOut } = await mendLine(stores, id);
    if (added + takenOut === 0) return null;
    return `${added} claims added to the queue again, ${takenOut} decided tickets taken out of the line`;
  },
};

const lane: Repair = {
  does: 'want the lane, so that a worker opens it',
  async run({ stores: { engine } }, { id, name }) {
    await engine.roster.want(laneOf(id), name);
    metrics.repairs.inc({ what: 'lane wanted' });
    return 'lane wanted';
  },
};

const gate: Repair = {
  does: 'let the gate forget the coupon, so that it is loaded again',
  async run({ stores: { probe } }, { id }) {
    const { known } = (await probe?.look(id)) ?? { known: null };
    if (!known) return null;
    await probe?.forget(id, known.epoch);
    metrics.repairs.inc({ what: 'gate forgot a coupon' });
    return 'the gate forgot what it knew of the coupon';
  },
};

/** What puts a violation right. An invariant that is not here is for people to decide. */
export const repairs: Record<string, Repair> = {
  'remaining-is-what-is-left': counts,
  'claimed-count-is-the-rows': counts,
  'sequence-is-contiguous': counts,
  ...({
    'places-are-undecided': line,
    'places-have-a-job': line,
    'lanes-with-jobs-are-open': lane,
    'gate-agrees-with-table': gate,
    'gate-holders-hold': gate,
  } satisfies Partial<Record<StoreInvariant, Repair>>),
};

/** The coupons of these names, by name. */
export async function findByName(sql: Sql, names: string[]) {
  const rows = await sql<
    { id: string; name: string }[]
  >`select id, name from coupons where name = any(${names})`;
  return new Map(rows.map(row => [row.name, row]));
}
