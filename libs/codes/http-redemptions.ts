import { nameParams } from '@claimline/coupons';
import type { Sql } from '@claimline/db/pool';
import { requiredText } from '@claimline/http/fields';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { z } from 'zod';
import {
  listCouponRedemptions,
  listUserRedemptions,
  type RedemptionRow,
  redemptionSchema,
  toRedemption,
} from './redemptions.ts';

const redemptionPage = z.object({ data: z.array(redemptionSchema), next_cursor: z.string().nullable() });
const answers = { 200: { description: 'A page of uses', schema: redemptionPage } };

const shown = (rows: RedemptionRow[], limit: number) => page(rows, limit, row => row.id, toRedemption);

/** Which codes were used, by whom, for which order: of a coupon, and of a person. */
export function mountRedemptions(router: Router, { sql }: { sql: Sql }) {
  router.add(
    {
      method: 'get',
      path: '/api/coupons/{name}/redemptions',
      id: 'listCouponRedemptions',
      tag: 'Codes',
      summary: "Uses of a coupon's codes, newest first",
      access: 'keyed',
      params: nameParams,
      query: z.object(pageQuery),
      answers,
      problems: ['coupon_not_found'],
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const before = decodeCursor(cursor, 'number');
      return reply(c, 200, shown(await listCouponRedemptions(sql, params.name, { limit, before }), limit));
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/users/{user_id}/redemptions',
      id: 'listUserRedemptions',
      tag: 'Codes',
      summary: "A person's uses of codes, newest first",
      access: 'keyed',
      params: z.object({ user_id: requiredText() }),
      query: z.object(pageQuery),
      answers,
    },
    async ({ c, params, query: { limit, cursor } }) => {
      const before = decodeCursor(cursor, 'number');
      return reply(c, 200, shown(await listUserRedemptions(sql, params.user_id, { limit, before }), limit));
    },
  );
}
