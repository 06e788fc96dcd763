import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import type { ListedLane } from '@claimline/queue/roster';
import type { Visited } from './drift.ts';
import { couponOf, laneOf } from './lane-name.ts';

const limits = {
  /** Lanes that the roster remembers, the most lately wanted first. */
  lanesMost: 1000,
  /** Coupons changed last that are looked for in queues which the roster has forgotten. */
  forgottenMost: 1000,
  /** Coupons read from the table at once. */
  page: 1000,
} as const;

type Row = { id: string; name: string };

/** Lanes that were wanted lately: of coupons, also such as are gone from the table, and of other slices. */
export async function listBusy(sql: Sql, engine: Engine): Promise<Visited[]> {
  const listed = await engine.roster.list(limits.lanesMost);
  const ids = listed.map(({ lane }) => couponOf(lane)).filter(id => id !== null);
  const rows = await sql<Row[]>`select id, name from coupons where id = any(${ids})`;
  const names = new Map(rows.map(row => [row.id, row.name]));
  return listed.map(state => {
    const id = couponOf(state.lane);
    const { lane, label } = state;
    if (id === null) return { id: lane, name: label, lane, isCoupon: false, state };
    return { id, name: names.get(id) ?? label, lane, isCoupon: true, state };
  });
}

/** A page of all coupons in the order of their ids, after one of them. */
export async function listCoupons(sql: Sql, afterId: string | null, most: number): Promise<Visited[]> {
  const rows = await sql<Row[]>`
    select id, name from coupons
    where ${afterId === null ? sql`true` : sql`id > ${afterId}`}
    order by id limit ${most}`;
  return rows.map(row => visitedOf(row, null));
}

/**
 * Every coupon and every lane of other slices, the busy ones first; or the coupons that have, or had, that name.
 * Whether a queue has jobs that the roster has forgotten is looked up for the coupons that were changed last.
 */
export async function listAll(sql: Sql, engine: Engine, name: string | null): Promise<Visited[]> {
  const found = new Map((await listBusy(sql, engine)).map(visited => [visited.id, visited]));
  const keep = (page: Visited[]) => {
    for (const visited of page) if (!found.has(visited.id)) found.set(visited.id, visited);
  };
  const last = await sql<Row[]>`
    select id, name from coupons where ${name === null ? sql`true` : sql`name = ${name}`}
    order by updated_at desc limit ${limits.forgottenMost}`;
  const quiet = last.filter(({ id }) => !found.has(id));
  const states = await engine.roster.look(quiet.map(({ id }) => laneOf(id)));
  keep(quiet.map((row, i) => visitedOf(row, states[i] ?? null)));
  if (name !== null) return [...found.values()].filter(one => one.isCoupon && one.name === name);
  for (let after: string | null = null; ; ) {
    const page: Visited[] = await listCoupons(sql, after, limits.page);
    keep(page);
    if (page.length < limits.page) return [...found.values()];
    after = page.at(-1)?.id ?? null;
  }
}

const visitedOf = ({ id, name }: Row, state: ListedLane | null): Visited => ({
  ...{ id, name, lane: laneOf(id), isCoupon: true, state },
});
