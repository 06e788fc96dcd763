import type { Changes } from '@claimline/db/changes';
import { openDirectory as openRowDirectory, type Directory as RowDirectory } from '@claimline/db/directory';
import type { Sql } from '@claimline/db/pool';
import type { CouponFacts, CouponStatus } from './facts.ts';

export const directoryLimits = {
  /** Names remembered by a process, unknown ones too, so that a stampede on a typo is cheap. */
  namesMost: 50_000,
} as const;

const CHANNEL = 'claimline_coupons';

/** What this process knows of coupons by name. */
export type Directory = RowDirectory<CouponFacts>;

export function openDirectory(sql: Sql, changes: Changes): Promise<Directory> {
  return openRowDirectory(changes, {
    ...{ channel: CHANNEL, most: directoryLimits.namesMost, read: name => readFacts(sql, name) },
  });
}

type FactsRow = {
  id: string;
  name: string;
  epoch: number;
  claims_epoch: number;
  revision: number;
  remaining_amount: number;
  status: CouponStatus;
  starts_at: Date | null;
  ends_at: Date | null;
  per_user_limit: number;
};

async function readFacts(sql: Sql, name: string): Promise<CouponFacts | null> {
  const [row] = await sql<FactsRow[]>`
    select id, name, epoch, claims_epoch, revision, remaining_amount, status, starts_at, ends_at, per_user_limit
    from coupons where name = ${name}`;
  if (!row) return null;
  return {
    id: row.id,
    name: row.name,
    epoch: row.epoch,
    claimsEpoch: row.claims_epoch,
    revision: row.revision,
    remaining: row.remaining_amount,
    status: row.status,
    startsAtMs: row.starts_at?.getTime() ?? null,
    endsAtMs: row.ends_at?.getTime() ?? null,
    perUserLimit: row.per_user_limit,
  };
}
