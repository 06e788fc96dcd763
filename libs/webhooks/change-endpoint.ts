import type { Sql } from '@claimline/db/pool';
import { type EndpointChange, type EndpointRow, endpointColumns, noEndpoint } from './endpoint.ts';

/**
 * Changes an endpoint in one statement. To enable or disable one that is so already changes nothing of that,
 * so the first reason stands. One that is enabled again, or has another url, begins anew: a trigger forgets its
 * failures. Error: `endpoint_not_found`.
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
  // The lane is locked before the endpoint, as where attempts are put on record.
  const [row] = await sql<EndpointRow[]>`
    with locked as materialized (
      select from webhook_lanes where lane = ${id} for no key update
    )
    update webhook_endpoints set ${sets.flatMap((set, index) => (index === 0 ? [set] : [sql`, `, set]))}
    where id = ${id} and (select count(*) from locked) >= 0 returning ${sql(endpointColumns)}`;
  if (!row) throw noEndpoint();
  return row;
}

/** Deletes an endpoint, and with it what it had still to be told. Error: `endpoint_not_found`. */
export async function deleteEndpoint(sql: Sql, id: string): Promise<void> {
  const { count } = await sql`delete from webhook_endpoints where id = ${id}`;
  if (count === 0) throw noEndpoint();
}
