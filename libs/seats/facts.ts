import type { Changes } from '@claimline/db/changes';
import { type Directory, openDirectory } from '@claimline/db/directory';
import type { Sql } from '@claimline/db/pool';

export const factsLimits = {
  /** Events remembered by a process. */
  eventsMost: 50_000,
} as const;

/** What a process remembers of an event. */
export type EventFacts = {
  id: string;
  name: string;
  startsAtMs: number;
  onSaleAtMs: number | null;
  isCanceled: boolean;
};

export const EVENTS_CHANNEL = 'claimline_events';

/** What this process knows of events by id. */
export function openEventDirectory(sql: Sql, changes: Changes): Promise<Directory<EventFacts>> {
  return openDirectory(changes, {
    channel: EVENTS_CHANNEL,
    most: factsLimits.eventsMost,
    async read(id) {
      const [row] = await sql<
        { name: string; starts_at: Date; on_sale_at: Date | null; is_canceled: boolean }[]
      >`
        select name, starts_at, on_sale_at, is_canceled from events where id = ${id}`;
      if (!row) return null;
      return {
        ...{ id, name: row.name, startsAtMs: row.starts_at.getTime() },
        ...{ onSaleAtMs: row.on_sale_at?.getTime() ?? null, isCanceled: row.is_canceled },
      };
    },
  });
}
