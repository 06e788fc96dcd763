import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import { LRUCache } from 'lru-cache';
import type { CouponFacts, CouponStatus } from './facts.ts';

export const directoryLimits = {
  /** Names remembered by a process, unknown ones too, so that a stampede on a typo is cheap. */
  namesMost: 50_000,
} as const;

const CHANNEL = 'claimline_coupons';

/**
 * What this process knows of coupons by name. A claim looks here and not into Postgres; the
 * tables' triggers say what to forget. Facts may lag behind a change by the time a notification
 * takes: who wants to refuse somebody on them waits for `changes.barrier()` first and looks again.
 */
export type Directory = {
  /** The coupon, or null when there is none of that name. From memory where it can be. */
  find(name: string): Promise<CouponFacts | null>;
  /** What is remembered, without asking Postgres; undefined when nothing is. */
  peek(name: string): CouponFacts | null | undefined;
  /** Forgets a name that turned out to be out of date. */
  forget(name: string): void;
};

export async function openDirectory(sql: Sql, changes: Changes): Promise<Directory> {
  // LRUCache holds no null: an unknown name is kept as `false`.
  const known = new LRUCache<string, CouponFacts | false>({ max: directoryLimits.namesMost });
  const reads = new Map<string, Promise<CouponFacts | null>>();

  function forget(name: string) {
    known.delete(name);
    reads.delete(name); // A read that began before the change must not be remembered.
  }
  function forgetAll() {
    known.clear();
    reads.clear();
  }

  await changes.on(CHANNEL, name => (name === '' ? forgetAll() : forget(name)));
  changes.onReconnect(forgetAll);

  return {
    find(name) {
      const found = known.get(name);
      if (found !== undefined) return Promise.resolve(found || null);
      const running = reads.get(name);
      if (running) return running;
      const reading = readFacts(sql, name).then(
        facts => {
          if (reads.get(name) === reading) {
            reads.delete(name);
            known.set(name, facts ?? false);
          }
          return facts;
        },
        error => {
          if (reads.get(name) === reading) reads.delete(name);
          throw error;
        },
      );
      reads.set(name, reading);
      return reading;
    },
    peek(name) {
      const found = known.get(name);
      return found === undefined ? undefined : found || null;
    },
    forget,
  };
}

type FactsRow = {
  id: string;
  name: string;
  epoch: number;
  revision: number;
  remaining_amount: number;
  status: CouponStatus;
  starts_at: Date | null;
  ends_at: Date | null;
  per_user_limit: number;
};

async function readFacts(sql: Sql, name: string): Promise<CouponFacts | null> {
  const [row] = await sql<FactsRow[]>`
    select id, name, epoch, revision, remaining_amount, status, starts_at, ends_at, per_user_limit
    from coupons where name = ${name}`;
  if (!row) return null;
  return {
    id: row.id,
    name: row.name,
    epoch: row.epoch,
    revision: row.revision,
    remaining: row.remaining_amount,
    status: row.status,
    startsAtMs: row.starts_at?.getTime() ?? null,
    endsAtMs: row.ends_at?.getTime() ?? null,
    perUserLimit: row.per_user_limit,
  };
}
