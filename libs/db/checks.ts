import type { Sql } from './pool.ts';
import { openSession } from './session.ts';

export const checkLimits = {
  /** Rows that show a violation, and again a note. */
  shownMost: 20,
  /** Sorting and hashing a million claims stays in memory. */
  workMemory: '256MB',
} as const;

/**
 * What a slice promises about its tables. A check is one SELECT that may look after several
 * invariants in one pass:
 *
 * `invariants`: name to what it says, a sentence about how things are.
 * `sql`: returns rows (invariant text, is_note boolean, found jsonb), none where all is well. A note is
 * something that looks odd and has an allowed cause, such as rows deleted by hand. $1 is a coupon's name,
 * or null for all.
 * `isOfCoupons`: false where it looks at nothing that belongs to a coupon, and is left out where one is asked for.
 */
export type Check = { invariants: Record<string, string>; sql: string; isOfCoupons?: false };

/** What was found of one invariant; `rows` and `noteRows` show the first of them. */
export type Verdict = {
  name: string;
  title: string;
  violations: number;
  notes: number;
  rows: unknown[];
  noteRows: unknown[];
};

/** How far a long run has come. */
export type Progress = (done: number, total: number, what: string) => void;

/**
 * Runs checks on the database at `url`, each in a snapshot of its own, so that a sale that goes on meanwhile gives no
 * false alarm. One snapshot for all would keep every version of a coupon's row until the last check is done, and
 * settling slows down with each. Reads only. Answers with a verdict for every invariant that was looked at, in order.
 *
 * @param coupon limits it to one coupon
 * @param rowsMost rows shown of each
 * @throws an error that isTransient (error.ts) knows when Postgres is away
 */
export async function runChecks(
  url: string,
  checks: Check[],
  {
    coupon = null,
    rowsMost = checkLimits.shownMost,
    onProgress = () => {},
  }: { coupon?: string | null; rowsMost?: number; onProgress?: Progress | undefined } = {},
): Promise<Verdict[]> {
  const session = await openSession({
    url,
    applicationName: 'claimline verify',
    statementTimeoutMs: 0,
    // Compiling a query takes longer than the small ones run.
    settings: { jit: 'off', work_mem: checkLimits.workMemory, default_transaction_read_only: 'on' },
  });
  try {
    const verdicts: Verdict[] = [];
    const asked = checks.filter(check => coupon === null || check.isOfCoupons !== false);
    for (const [i, check] of asked.entries()) {
      onProgress(i, asked.length, Object.keys(check.invariants)[0] ?? '');
      verdicts.push(...(await Promise.race([runCheck(session.sql, check, coupon, rowsMost), session.lost])));
    }
    onProgress(asked.length, asked.length, '');
    return verdicts;
  } finally {
    await session.close();
  }
}

type FoundRow = { invariant: string; is_note: boolean; total: number; found: unknown[] };

async function runCheck(
  session: Sql,
  { invariants, sql }: Check,
  coupon: string | null,
  rowsMost: number,
): Promise<Verdict[]> {
  const rows = await session.unsafe<FoundRow[]>(
    `select invariant, is_note, total, jsonb_agg(found) as found
     from (
       select *,
         count(*) over (partition by invariant, is_note) as total,
         row_number() over (partition by invariant, is_note) as nth
       from (${sql}) as found (invariant, is_note, found)
     ) numbered
     where nth <= $2
     group by invariant, is_note, total`,
    [coupon, rowsMost],
  );
  const stranger = rows.find(row => !(row.invariant in invariants));
  if (stranger) throw new Error(`a check found "${stranger.invariant}", which it does not list`);
  return Object.entries(invariants).map(([name, title]) => {
    const of = (isNote: boolean) => rows.find(row => row.invariant === name && row.is_note === isNote);
    return {
      name,
      title,
      violations: of(false)?.total ?? 0,
      notes: of(true)?.total ?? 0,
      rows: of(false)?.found ?? [],
      noteRows: of(true)?.found ?? [],
    };
  });
}
