import type { Sql } from '@claimline/db/pool';
import { AppError } from '@claimline/kernel/error';
import { LRUCache } from 'lru-cache';
import type { Gate } from './gate.ts';

const limits = {
  /** What visitors see of a line is this old at most; 10,000 of them cost one query a second. */
  ageMs: 1000,
  namesMost: 10_000,
} as const;

/** What visitors may see of a coupon's line. */
export type LineView = {
  status: string;
  remaining_amount: number;
  in_line: number;
  settled_per_second: number | null;
  updated_at: string;
};

/** Reads a coupon's line, from memory within a second. Error: `coupon_not_found`. */
export function createLineReader({ sql, gate }: { sql: Sql; gate: Gate }) {
  const views = new LRUCache<string, Promise<LineView>>({ max: limits.namesMost, ttl: limits.ageMs });

  async function read(name: string): Promise<LineView> {
    const [row] = await sql<{ id: string; status: string; remaining_amount: number; now: Date }[]>`
      select
        id, remaining_amount, now(),
        case
          when ends_at <= now() then 'ended'
          when status <> 'active' then status
          when starts_at > now() then 'not_started'
          when remaining_amount = 0 then 'sold_out'
          else 'active'
        end as status
      from coupons where name = ${name}`;
    if (!row) throw new AppError('coupon_not_found', 'coupon not found');
    const { inLine, perSecond } = await gate.readLine(row.id);
    return {
      status: row.status,
      remaining_amount: row.remaining_amount,
      in_line: inLine,
      settled_per_second: perSecond,
      updated_at: row.now.toISOString(),
    };
  }

  return (name: string): Promise<LineView> => {
    let view = views.get(name);
    if (!view) {
      view = read(name);
      view.catch(() => views.delete(name));
      views.set(name, view);
    }
    return view;
  };
}
