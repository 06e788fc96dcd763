import type { Sql } from '@claimline/db/pool';
import type { EventType } from './event-types.ts';
import { type MessageRow, noMessage } from './message.ts';

const columns = (sql: Sql) => sql`
  position, id, payload,
  (
    select coalesce(jsonb_agg(jsonb_build_object(
      'endpoint_id', case when callback_origin is null then lane end,
      'callback_url', case when callback_origin is not null then callback_url end,
      'status', status,
      'attempts', attempts,
      'next_attempt_at', case when status = 'pending' and not is_queued then utc(due_at) end
    ) order by webhook_deliveries.id), '[]')
    from webhook_deliveries join webhook_lanes using (lane) where message = position
  ) as deliveries`;

/** Error: `message_not_found`. */
export async function readMessage(sql: Sql, id: string): Promise<MessageRow> {
  const [row] = await sql<MessageRow[]>`select ${columns(sql)} from webhook_messages where id = ${id}`;
  if (!row) throw noMessage();
  return row;
}

export const feedLimits = {
  /** Messages looked at for those of one type or coupon; where the page is not full by then, it is handed out as it is. */
  lookedAt: 20_000,
  /** Deliveries of a page, about 200 bytes each. One of a message with more, since there are a thousand endpoints, is handed out alone. */
  deliveriesMost: 10_000,
} as const;

/** What of the feed is wanted. */
export type FeedQuery = {
  type: EventType | undefined;
  coupon: string | undefined;
  /** Only those that a receiver was not told, and will not be by itself. */
  onlyExhausted: boolean;
  limit: number;
  /** After this position. */
  after: number | null;
};

/** A page of the feed. */
export type FeedPage = {
  rows: MessageRow[];
  /** The position up to which it was looked: whoever goes on after it misses nothing. */
  end: number;
  /** There may be more behind it. A page may be short, or empty, and have more behind it all the same. */
  isMore: boolean;
};

/**
 * Messages in the order of the feed, `limit` at most, and fewer where they have more deliveries than a page may. Of one type or coupon they are found by looking at so many
 * messages (feedLimits) and not at the whole feed, however rare they are.
 */
export async function readFeed(sql: Sql, query: FeedQuery): Promise<FeedPage> {
  const { type, coupon, onlyExhausted, limit } = query;
  const after = query.after ?? 0;
  const isFiltered = type !== undefined || coupon !== undefined;
  const most = isFiltered ? feedLimits.lookedAt : limit + 1;
  // Begun from the few that are exhausted, where those are asked for: the feed may be long.
  const candidates = onlyExhausted
    ? sql`select distinct message as position from webhook_deliveries where status = 'exhausted' and message > ${after}`
    : sql`select position from webhook_messages where position > ${after}`;
  const [seen] = await sql<{ count: number; last: number | null }[]>`
    select count(*)::int as count, max(position) as last
    from (${candidates} order by position limit ${most}) looked_at`;
  const last = seen?.last ?? after;
  const rows = await sql<(MessageRow & { found: number })[]>`
    with found as materialized (
      select position from webhook_messages
      where position > ${after} and position <= ${last}
        and ${type === undefined ? sql`true` : sql`type = ${type}`}
        and ${coupon === undefined ? sql`true` : sql`coupon_name = ${coupon}`}
        and ${onlyExhausted ? sql`position in (${candidates} and message <= ${last})` : sql`true`}
      order by position limit ${limit + 1}
    ),
    page as materialized (
      select position from (
        select
          position, row_number() over in_order as nth,
          sum((select count(*) from webhook_deliveries where message = position)) over in_order as deliveries
        from found window in_order as (order by position)
      ) counted
      where nth <= ${limit} and (nth = 1 or deliveries <= ${feedLimits.deliveriesMost})
    )
    select ${columns(sql)}, (select count(*)::int from found) as found
    from page join webhook_messages using (position) order by position`;
  const lastShown = rows.at(-1)?.position ?? after;
  if ((rows[0]?.found ?? 0) > rows.length) return { rows, end: lastShown, isMore: true };
  if (seen?.count === most) return { rows, end: last, isMore: true };
  // What is behind the last dead letter may become one yet.
  return { rows, end: onlyExhausted ? lastShown : last, isMore: false };
}
