import type { Sql } from '@claimline/db/pool';
import { type EndpointChange, type EndpointRow, endpointColumns, noEndpoint } from './endpoint.ts';

/**
 * Changes an endpoint in one statement. To enable or disable one that is so already changes nothing of that,
 * so the first reason stands. One that is enabled again, or has another url, begins anew: its failures are
 * forgotten, or the next one would disable it again. Error: `endpoint_not_found`.
 */
export async function changeEndpoint(sql: Sql, id: string, change: EndpointChange): Promise<EndpointRow> {
  const { url, description, event_types, coupons, status } = change;
  const sets = [
    sql`updated_at = now()`,
    ...(url === undefined ? [] : [sql`url = ${url}`]),
    ...(description === undefined ? [] : [sql`description = ${description}`]),
    ...(event_types === undefined ? [] : [sql`event_types = ${event_types}::text[]`]),
    ...(coupons === undefined ? [] : [sql`coupons = ${coupons}::text[]`]),
    ...(status === 'enabled' ? [sql`status = 'enabled', disabled_at = null, disabled_reason = null`] : []),
    ...(status === 'disabled'
      ? [
          sql`status = 'disabled', disabled_at = coalesce(disabled_at, now()),
            disabled_reason = coalesce(disabled_reason, 'operator')`,
        ]
      : []),
  ];
  // Lanes are locked first, as where attempts are put on record: so it has to be asked for before the update.
  const [row] = await sql<EndpointRow[]>`
    with healed as (
      update webhook_lanes
      set open_until = null, failing_since = null, failures = 0, window_started_at = '-infinity',
        window_attempts = 0, window_failures = 0
      from webhook_endpoints before
      where before.id = ${id} and lane = before.id
        and (before.url <> ${url ?? null}::text or ${status === 'enabled'} and before.status = 'disabled')
      returning lane
    )
    update webhook_endpoints set ${sets.flatMap((set, index) => (index === 0 ? [set] : [sql`, `, set]))}
    where id = ${id} and (select count(*) from healed) >= 0 returning ${sql(endpointColumns)}`;
  if (!row) throw noEndpoint();
  return row;
}

/** Deletes an endpoint, and with it what it had still to be told. Error: `endpoint_not_found`. */
export async function deleteEndpoint(sql: Sql, id: string): Promise<void> {
  const { count } = await sql`delete from webhook_endpoints where id = ${id}`;
  if (count === 0) throw noEndpoint();
}
