import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import type { ListedLane, Roster } from './roster.ts';

/** Woken through Postgres' own notifications. */
const CHANNEL = 'claimline_lanes';

/** The roster in Postgres: the table `lanes`, one statement a verb. */
export function createPostgresRoster(sql: Sql, changes: Changes): Roster {
  return {
    async want(lane, label) {
      await sql`
        with wanted as (
          insert into lanes (lane, label) values (${lane}, ${label})
          on conflict (lane) do update
            set wanted = true, wanted_at = clock_timestamp(), label = coalesce(nullif(excluded.label, ''), lanes.label)
          returning leased_until <= clock_timestamp() as is_closed
        )
        select pg_notify(${CHANNEL}, '') from wanted where is_closed`;
    },
    async take(owner, leaseMs, most, open = new Map()) {
      const rows = await sql<{ lane: string }[]>`
        update lanes set owner = ${owner}, leased_until = clock_timestamp() + ${leaseMs} * interval '1 ms'
        where lane in (
          select free.lane
          from (select distinct split_part(lane, '.', 1) as kind from lanes where wanted) wanted
          left join unnest(${[...open.keys()]}::text[], ${[...open.values()]}::int[]) as open (kind, count) using (kind)
          cross join lateral (
            select lane from lanes
            where wanted and leased_until <= clock_timestamp() and split_part(lane, '.', 1) = kind
            order by wanted_at limit greatest(${most}::int - coalesce(count, 0), 0) for update skip locked
          ) free
        )
        returning lane`;
      return rows.map(row => row.lane);
    },
    async renew(owner, leaseMs, lanes) {
      const rows = await sql<{ lane: string }[]>`
        update lanes set leased_until = clock_timestamp() + ${leaseMs} * interval '1 ms'
        where lane = any(${lanes}) and owner = ${owner}
        returning lane`;
      const kept = new Set(rows.map(row => row.lane));
      return lanes.filter(lane => !kept.has(lane));
    },
    async leave(owner, lane, quietMs) {
      const rows = await sql`
        update lanes set wanted = false, owner = null, leased_until = '-infinity'
        where lane = ${lane} and owner = ${owner}
          and wanted_at <= clock_timestamp() - ${quietMs} * interval '1 ms'
        returning lane`;
      if (rows.length > 0) return true;
      const mine = await sql`select from lanes where lane = ${lane} and owner = ${owner}`;
      return mine.length === 0;
    },
    async handOver(owner, lanes) {
      await sql`
        with given as (
          update lanes set owner = null, leased_until = '-infinity'
          where lane = any(${lanes}) and owner = ${owner} returning lane
        )
        select pg_notify(${CHANNEL}, '') from (select count(*) from given) n`;
    },
    async list(limit) {
      return sql<ListedLane[]>`
        select lane, label, leased_until > clock_timestamp() as open, wanted
        from lanes order by wanted_at desc limit ${limit}`;
    },
    async look(named) {
      return sql<ListedLane[]>`
        select
          lane, coalesce(label, lane) as label, coalesce(leased_until > clock_timestamp(), false) as open,
          coalesce(wanted, false) as wanted
        from unnest(${named}::text[]) with ordinality as asked (lane, n) left join lanes using (lane)
        order by n`;
    },
    async onWanted(wake) {
      await changes.on(CHANNEL, wake);
    },
  };
}
