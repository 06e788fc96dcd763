import type { Sql } from '@claimline/db/pool';
import { z } from 'zod';
import { noEndpoint } from './endpoint.ts';

/** A try to deliver, as read for people. */
export type AttemptRow = {
  id: number;
  created_at: Date;
  message_id: string;
  type: string;
  number: number;
  reason: 'event' | 'resend' | 'recover';
  has_succeeded: boolean;
  status_code: number | null;
  error: string | null;
  duration_ms: number;
  body: string | null;
};

/** An attempt as the API shows it. */
export const attemptSchema = z
  .object({
    message_id: z.string(),
    type: z.string(),
    attempt: z.int().describe('From 1, on its schedule.'),
    reason: z
      .enum(['event', 'resend', 'recover'])
      .describe('Why it was sent: it happened, or somebody asked.'),
    status: z.enum(['succeeded', 'failed']),
    status_code: z.int().nullable().describe('null: there was no answer.'),
    error: z.string().nullable(),
    response_body: z.string().nullable().describe('Its beginning: 1,000 characters at most.'),
    duration_ms: z.int(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'WebhookAttempt' });

/** An attempt as the API shows it. */
export function toAttempt(row: AttemptRow): z.output<typeof attemptSchema> {
  const { id: _, number, has_succeeded, body, created_at, ...rest } = row;
  return {
    ...rest,
    attempt: number,
    status: has_succeeded ? 'succeeded' : 'failed',
    response_body: body,
    created_at: created_at.toISOString(),
  };
}

/** An endpoint's attempts before number `before`, newest first, one more than `limit` when there are more. Error: `endpoint_not_found`. */
export async function readAttempts(
  sql: Sql,
  query: {
    endpointId: string;
    status: 'succeeded' | 'failed' | undefined;
    limit: number;
    before: number | null;
  },
): Promise<AttemptRow[]> {
  const { endpointId, status, limit, before } = query;
  const wanted =
    status === undefined ? sql`true` : status === 'failed' ? sql`not has_succeeded` : sql`has_succeeded`;
  const rows = await sql<AttemptRow[]>`
    select
      webhook_attempts.id, webhook_attempts.created_at, number, reason, has_succeeded, status_code, error, duration_ms, body,
      webhook_messages.id as message_id, type
    from webhook_attempts join webhook_messages on position = message
    where lane = ${endpointId} and ${before === null ? sql`true` : sql`webhook_attempts.id < ${before}`} and ${wanted}
    order by webhook_attempts.id desc limit ${limit + 1}`;
  if (rows.length === 0) {
    const [endpoint] = await sql`select from webhook_endpoints where id = ${endpointId}`;
    if (!endpoint) throw noEndpoint();
  }
  return rows;
}
