import { nameParams } from '@claimline/coupons';
import type { Sql } from '@claimline/db/pool';
import { requiredText } from '@claimline/http/fields';
import { decodeCursor, encodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { z } from 'zod';
import { type CodeRow, codeSchema, codeStatuses, toCode } from './code.ts';
import { type AuditRow, listAudit, listCodes, listLimits, listUserCodes, readCode } from './list.ts';
import { codeParams } from './params.ts';

const codePage = z.object({ data: z.array(codeSchema), next_cursor: z.string().nullable() });

const auditSchema = z
  .object({
    action: z.enum(['assign', 'lock', 'unlock', 'redeem', 'lapse']),
    actor: z.string().describe('claim: a granted claim; operator; user: whoever used the code; sweep.'),
    user_id: z.string(),
    status_before: z.string(),
    status_after: z.string(),
    address: z.string().nullable(),
    agent: z.string().nullable(),
    metadata: z.record(z.string(), z.unknown()).nullable(),
    created_at: z.iso.datetime(),
  })
  .meta({ id: 'CodeChange' });

/** Reading codes: one, a book, a person's, and what was done with one. */
export function mountLists(router: Router, { sql }: { sql: Sql }) {
  mountBookLists(router, sql);
  mountCodeReading(router, sql);
}

function mountBookLists(router: Router, sql: Sql) {
  router.add(
    {
      method: 'get',
      path: '/api/coupons/{name}/codes',
      id: 'listCodes',
      tag: 'Codes',
      summary: "A coupon's codes, in their own order",
      description: `A page of those with a status is looked for among ${listLimits.seenMost} codes: it may hold fewer than \`limit\`, or none, where \`next_cursor\` says that more of the book follows.`,
      access: 'keyed',
      params: nameParams,
      query: z.object({
        ...pageQuery,
        status: z.enum(codeStatuses, { error: `must be one of ${codeStatuses.join(', ')}` }).optional(),
      }),
      answers: { 200: { description: 'A page of codes', schema: codePage } },
      problems: ['coupon_not_found'],
    },
    async ({ c, params, query: { limit, cursor, status } }) => {
      const after = decodeCursor(cursor, 'string');
      const { rows, seenTo } = await listCodes(sql, { couponName: params.name, status, limit, after });
      const shown = page(rows, limit, row => row.code, toCode);
      if (shown.next_cursor === null && seenTo !== null) shown.next_cursor = encodeCursor(seenTo);
      return reply(c, 200, shown);
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/users/{user_id}/codes',
      id: 'listUserCodes',
      tag: 'Codes',
      summary: "A person's codes, newest first",
      access: 'keyed',
      params: z.object({ user_id: requiredText() }),
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page of codes', schema: codePage } },
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const before = decodeCursor(cursor, 'number');
      const rows = await listUserCodes(sql, { userId: params.user_id, limit, before });
      return reply(
        c,
        200,
        page(rows, limit, (row: CodeRow) => row.claim_id as number, toCode),
      );
    },
  );
}

function mountCodeReading(router: Router, sql: Sql) {
  router.add(
    {
      method: 'get',
      path: '/api/codes/{code}',
      id: 'readCode',
      tag: 'Codes',
      summary: 'Read a code',
      access: 'keyed',
      params: codeParams,
      answers: { 200: { description: 'The code', schema: codeSchema } },
      problems: ['code_not_found'],
    },
    async ({ c, params }) => reply(c, 200, toCode(await readCode(sql, params.code))),
  );

  router.add(
    {
      method: 'get',
      path: '/api/codes/{code}/audit',
      id: 'listCodeAudit',
      tag: 'Codes',
      summary: 'What was done with a code, oldest first',
      access: 'keyed',
      params: codeParams,
      query: z.object(pageQuery),
      answers: {
        200: {
          description: 'A page of changes',
          schema: z.object({ data: z.array(auditSchema), next_cursor: z.string().nullable() }),
        },
      },
      problems: ['code_not_found'],
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const after = decodeCursor(cursor, 'number');
      const rows = await listAudit(sql, { code: params.code, limit, after });
      return reply(
        c,
        200,
        page(rows, limit, row => row.id, toChange),
      );
    },
  );
}

function toChange({ id: _, created_at, ...change }: AuditRow): z.output<typeof auditSchema> {
  return { ...change, created_at: created_at.toISOString() };
}
