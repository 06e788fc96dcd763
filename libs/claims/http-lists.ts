import { nameParams } from '@claimline/coupons';
import type { Sql } from '@claimline/db/pool';
import { requiredText } from '@claimline/http/fields';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { z } from 'zod';
import { listCouponClaims, listUserClaims, toClaim } from './list.ts';
import type { LineView } from './read-line.ts';

const claimSchema = z
  .object({
    claim_id: z.string(),
    sequence: z.int(),
    user_id: z.string(),
    coupon_name: z.string(),
    ticket: z.string().nullable(),
    code: z.string().optional().describe('Where the coupon has a book.'),
    granted_at: z.iso.datetime(),
  })
  .meta({ id: 'Claim' });
const claimPage = z.object({ data: z.array(claimSchema), next_cursor: z.string().nullable() });

/** A coupon's line, its claims, and a person's claims. */
export function mountLists(
  router: Router,
  { sql, readLine }: { sql: Sql; readLine: (name: string) => Promise<LineView> },
) {
  router.add(
    {
      method: 'get',
      path: '/api/coupons/{name}/line',
      id: 'readLine',
      tag: 'Claims',
      summary: "A coupon's line as visitors may see it, at most 1 s old",
      access: 'public',
      params: nameParams,
      answers: {
        200: {
          description: 'The line',
          schema: z.object({
            status: z.enum(['active', 'paused', 'ended', 'not_started', 'sold_out']),
            remaining_amount: z.int(),
            in_line: z.int(),
            settled_per_second: z.number().nullable().describe('null: nothing was settled lately.'),
            updated_at: z.iso.datetime(),
          }),
        },
      },
      problems: ['coupon_not_found'],
    },
    async ({ c, params }) =>
      reply(c, 200, await readLine(params.name), { 'Cache-Control': 'public, max-age=1' }),
  );

  router.add(
    {
      method: 'get',
      path: '/api/coupons/{name}/claims',
      id: 'listCouponClaims',
      tag: 'Claims',
      summary: "A coupon's claims in claim order",
      access: 'keyed',
      params: nameParams,
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page of claims', schema: claimPage } },
      problems: ['coupon_not_found'],
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const after = decodeCursor(cursor, 'number');
      const rows = await listCouponClaims(sql, { couponName: params.name, limit, after });
      return reply(
        c,
        200,
        page(rows, limit, row => row.sequence, toClaim),
      );
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/users/{user_id}/claims',
      id: 'listUserClaims',
      tag: 'Claims',
      summary: "A person's claims, newest first",
      access: 'keyed',
      params: z.object({ user_id: requiredText() }),
      query: z.object(pageQuery),
      answers: { 200: { description: 'A page of claims', schema: claimPage } },
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const before = decodeCursor(cursor, 'number');
      const rows = await listUserClaims(sql, { userId: params.user_id, limit, before });
      return reply(
        c,
        200,
        page(rows, limit, row => row.id, toClaim),
      );
    },
  );
}
