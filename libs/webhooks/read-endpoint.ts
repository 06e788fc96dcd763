import type { Sql } from '@claimline/db/pool';
import { type EndpointRow, endpointColumns, noEndpoint } from './endpoint.ts';

/** One endpoint. Error: `endpoint_not_found`. */
export async function readEndpoint(sql: Sql, id: string): Promise<EndpointRow> {
  const [row] = await sql<EndpointRow[]>`
    select ${sql(endpointColumns)} from webhook_endpoints where id = ${id}`;
  if (!row) throw noEndpoint();
  return row;
}

/** Endpoints in the order of their making, one more than `limit` when there are more; `after` is the last id seen. */
export async function listEndpoints(
  sql: Sql,
  { limit, after }: { limit: number; after: string | null },
): Promise<EndpointRow[]> {
  return sql<EndpointRow[]>`
    select ${sql(endpointColumns)} from webhook_endpoints
    where ${after === null ? sql`true` : sql`id > ${after}`} order by id limit ${limit + 1}`;
}
