import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import type { Visited } from './drift.ts';
import { couponOf } from './lane-name.ts';

const limits = {
  /** Lanes that the roster remembers, the most lately wanted first. */
  lanesMost: 1000,
  /** Coupons read from the table at once. */
  page: 1000,
} as const;

/** Coupons whose lanes were wanted lately, also such as are gone from the table. */
export async function listBusy(sql: Sql, engine: Engine): Promise<Visited[]> {
  const listed = await engine.roster.list(limits.lanesMost);
  const ids = listed.map(({ lane }) => couponOf(lane)).filter(id => id !== null);
  const rows = await sql<{ id: string; name: string }[]>`select id, name from coupons where id = any(${ids})`;
  const names = new Map(rows.map(row => [row.id, row.name]));
  return listed.flatMap(({ lane, label, open }): Visited[] => {
    const id = couponOf(lane);
    return id === null ? [] : [{ id, name: names.get(id) ?? label, lane: { open } }];
  });
}

/** A page of all coupons in the order of their ids, after one of them. */
export async function listCoupons(sql: Sql, afterId: string | null, most: number): Promise<Visited[]> {
  const rows = await sql<{ id: string; name: string }[]>`
    select id, name from coupons
    where ${afterId === null ? sql`true` : sql`id > ${afterId}`}
    order by id limit ${most}`;
  return rows.map(row => ({ ...row, lane: null }));
}

/** Every coupon, the busy ones first; or those that have, or had, that name. */
export async function listAll(sql: Sql, engine: Engine, name: string | null): Promise<Visited[]> {
  const found = new Map((await listBusy(sql, engine)).map(coupon => [coupon.id, coupon]));
  const keep = (page: Visited[]) => {
    for (const coupon of page) if (!found.has(coupon.id)) found.set(coupon.id, coupon);
  };
  if (name !== null) {
    const rows = await sql<{ id: string; name: string }[]>`select id, name from coupons where name = ${name}`;
    keep(rows.map(row => ({ ...row, lane: null })));
    return [...found.values()].filter(coupon => coupon.name === name);
  }
  for (let after: string | null = null; ; ) {
    const page: Visited[] = await listCoupons(sql, after, limits.page);
    keep(page);
    if (page.length < limits.page) return [...found.values()];
    after = page.at(-1)?.id ?? null;
  }
}
