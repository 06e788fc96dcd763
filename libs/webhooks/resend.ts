import type { Sql } from '@claimline/db/pool';
import { sqlFile } from '@claimline/db/sql-file';
import { AppError } from '@claimline/kernel/error';
import { noEndpoint } from './endpoint.ts';
import { noMessage } from './message.ts';

const resendStatement = sqlFile(import.meta.url, './resend.sql');

type Row = { is_known: boolean; status: 'enabled' | 'disabled' | null; resent: number };

/** What an endpoint that gets nothing is told. */
export function isDisabled(): AppError {
  return new AppError('endpoint_disabled', 'the endpoint is disabled: enable it first');
}

/**
 * Sends a message again to one endpoint, or to all that it was meant for and are enabled; returns to how many.
 * Errors: `message_not_found`, `endpoint_not_found`, `endpoint_disabled`.
 */
export async function resendMessage(sql: Sql, id: string, endpointId: string | null): Promise<number> {
  const [row] = await sql.unsafe<Row[]>(resendStatement, [id, endpointId], { prepare: true });
  if (!row?.is_known) throw noMessage();
  if (endpointId !== null && row.status === null) throw noEndpoint();
  if (endpointId !== null && row.status === 'disabled') throw isDisabled();
  return row.resent;
}
