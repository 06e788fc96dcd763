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

/** Messages in the order of the feed, one more than `limit` when there are more. */
export async function readFeed(sql: Sql, query: FeedQuery): Promise<MessageRow[]> {
  const { type, coupon, onlyExhausted, limit } = query;
  const after = query.after ?? 0;
  const isWanted = sql`
    ${type === undefined ? sql`true` : sql`type = ${type}`}
      and ${coupon === undefined ? sql`true` : sql`coupon_name = ${coupon}`}`;
  return sql<MessageRow[]>`
    select ${columns(sql)} from webhook_messages
    where position > ${after}
      and ${isWanted}
      and ${
        onlyExhausted
          ? // Begun from the few that are exhausted: the feed may be long.
            sql`position = any (array(
              select distinct message from webhook_deliveries join webhook_messages on position = message
              where webhook_deliveries.status = 'exhausted' and message > ${after} and ${isWanted}
              order by message limit ${limit + 1}
            ))`
          : sql`true`
      }
    order by position limit ${limit + 1}`;
}
