import type { CouponFacts } from '@claimline/coupons';
import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import type { Gate, Holder, InLine } from './gate.ts';
import { jobSchema } from './job.ts';
import { laneOf } from './lane-name.ts';

const limits = {
  /** Claims read at once. Redis takes in 300,000 a second. */
  page: 2000,
  /** Jobs looked at for people in line. */
  jobsMost: 5000,
} as const;

/** Rebuilds what the gate remembers of a coupon; concurrent callers share one run. */
export type LoadGate = (coupon: CouponFacts) => Promise<void>;

/**
 * The gate's memory is a cache: who holds a claim comes from Postgres. Who is in line comes from the
 * queue where the gate is this process's own; a shared one is lost with the queue, not before it.
 */
export function createLoadGate({ sql, gate, engine }: { sql: Sql; gate: Gate; engine: Engine }): LoadGate {
  const running = new Map<string, Promise<void>>();

  async function load(coupon: CouponFacts) {
    // Most changes leave the holders as they are. Measured with 100,000 of them: to read them holds up the coupon's claims
    // for 0.9 to 1 s, this for 1 ms; and with four changes a second, as codes are stored, a third of the claims got a 503.
    if (await gate.renew(coupon)) return;
    const { inLine } = gate.isShared ? { inLine: [] } : await listInLine(engine, coupon.id);
    const decided = await decidedAmong(
      sql,
      inLine.map(one => one.ticket),
    );
    const open = inLine.filter(one => !decided.has(one.ticket));
    await gate.load(coupon, holders(sql, coupon.name), open);
  }

  return coupon => {
    const key = `${coupon.id} ${coupon.epoch}`;
    let run = running.get(key);
    if (!run) {
      run = load(coupon).finally(() => running.delete(key));
      running.set(key, run);
    }
    return run;
  };
}

/** Undecided claims of the coupon's lane, from its jobs; not all of them when the lane is very long. */
export async function listInLine(
  engine: Engine,
  couponId: string,
): Promise<{ inLine: InLine[]; isComplete: boolean }> {
  const { jobs, isComplete } = await engine.listUndecided(laneOf(couponId), limits.jobsMost);
  return { inLine: claimsOf(jobs, couponId), isComplete };
}

/** The claims that jobs carry; a job that no lane of this coupon would settle carries none. */
export function claimsOf(jobs: unknown[], couponId: string): InLine[] {
  return jobs
    .map(data => jobSchema.safeParse(data).data)
    .filter(job => job?.coupon === couponId)
    .flatMap(job => job?.claims ?? [])
    .map(([ticket, userId, line]) => ({ ticket, userId, line }));
}

/** Which of these tickets have an outcome or failed. Jobs that a lane is completing right now hold claims that have. */
export async function decidedAmong(sql: Sql, tickets: string[]): Promise<Set<string>> {
  const decided = new Set<string>();
  for (let from = 0; from < tickets.length; from += limits.page) {
    const some = tickets.slice(from, from + limits.page);
    const rows = await sql<{ ticket: string }[]>`
      select ticket from claims where ticket = any(${some})
      union all
      select ticket from refusals where ticket = any(${some})`;
    for (const row of rows) decided.add(row.ticket);
  }
  return decided;
}

async function* holders(sql: Sql, couponName: string): AsyncGenerator<Holder[]> {
  let after = 0;
  for (;;) {
    const rows = await sql<{ user_id: string; count: number; ticket: string | null; sequence: number }[]>`
      select user_id, ticket, sequence, (
        select count(*) from claims mine where mine.user_id = claims.user_id and mine.coupon_name = claims.coupon_name
      ) as count
      from claims
      where coupon_name = ${couponName} and sequence > ${after}
      order by sequence limit ${limits.page}`;
    yield rows.map(row => ({ userId: row.user_id, count: row.count, ticket: row.ticket ?? '' }));
    const last = rows.at(-1);
    if (!last || rows.length < limits.page) return;
    after = last.sequence;
  }
}
