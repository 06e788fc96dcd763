import type { Sql } from '@claimline/db/pool';
import { decodeCursor, page, pageQuery } from '@claimline/http/page';
import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { z } from 'zod';
import { changeCoupon } from './change.ts';
import { toCoupon } from './coupon.ts';
import { createCoupon } from './create.ts';
import type { Directory } from './directory.ts';
import { couponStatuses } from './facts.ts';
import { listCoupons, readCoupon, readStats } from './read.ts';
import { couponChangeSchema, couponSchema, nameParams, newCouponSchema } from './schemas.ts';

/** Creating, changing and reading coupons. */
export function mountCoupons(router: Router, house: { sql: Sql; directory: Directory }) {
  mountWriting(router, house);
  mountReading(router, house);
}

function mountWriting(router: Router, { sql, directory }: { sql: Sql; directory: Directory }) {
  router.add(
    {
      method: 'post',
      idempotent: 'transaction',
      path: '/api/coupons',
      id: 'createCoupon',
      tag: 'Coupons',
      summary: 'Create a coupon',
      access: 'keyed',
      body: newCouponSchema,
      answers: { 201: { description: 'The coupon', schema: couponSchema } },
      problems: ['coupon_exists'],
    },
    async ({ c, body, sql }) => {
      const row = await createCoupon(sql, body);
      directory.forget(row.name); // The notification is for the other processes: here it may come a moment later.
      return reply(c, 201, toCoupon(row, []));
    },
  );

  router.add(
    {
      method: 'patch',
      path: '/api/coupons/{name}',
      id: 'changeCoupon',
      tag: 'Coupons',
      summary: 'Change the amount or the window, pause, open or end the sale',
      access: 'keyed',
      params: nameParams,
      body: couponChangeSchema,
      answers: { 200: { description: 'The coupon', schema: couponSchema } },
      problems: ['coupon_not_found', 'below_granted', 'coupon_has_book'],
    },
    async ({ c, params, body }) => {
      await changeCoupon(sql, params.name, body);
      directory.forget(params.name);
      const { row, claimedBy } = await readCoupon(sql, params.name);
      return reply(c, 200, toCoupon(row, claimedBy));
    },
  );
}

function mountReading(router: Router, { sql }: { sql: Sql }) {
  router.add(
    {
      method: 'get',
      path: '/api/coupons',
      id: 'listCoupons',
      tag: 'Coupons',
      summary: 'List coupons by name',
      access: 'keyed',
      query: z.object({
        ...pageQuery,
        status: z.enum(couponStatuses, { error: `must be one of ${couponStatuses.join(', ')}` }).optional(),
      }),
      answers: {
        200: {
          description: 'A page of coupons',
          schema: z.object({
            data: z.array(couponSchema.omit({ claimed_by: true })),
            next_cursor: z.string().nullable(),
          }),
        },
      },
    },
    async ({ c, query }) => {
      const after = decodeCursor(query.cursor, 'string');
      const rows = await listCoupons(sql, { status: query.status, limit: query.limit, after });
      const toItem = (row: (typeof rows)[number]) => {
        const { claimed_by: _, ...coupon } = toCoupon(row, []);
        return coupon;
      };
      return reply(
        c,
        200,
        page(rows, query.limit, row => row.name, toItem),
      );
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/coupons/{name}',
      id: 'readCoupon',
      tag: 'Coupons',
      summary: 'Read a coupon',
      access: 'keyed',
      params: nameParams,
      answers: { 200: { description: 'The coupon', schema: couponSchema } },
      problems: ['coupon_not_found'],
    },
    async ({ c, params }) => {
      const { row, claimedBy } = await readCoupon(sql, params.name);
      return reply(c, 200, toCoupon(row, claimedBy));
    },
  );

  router.add(
    {
      method: 'get',
      path: '/api/coupons/{name}/stats',
      id: 'readCouponStats',
      tag: 'Coupons',
      summary: "What became of a coupon's units",
      access: 'keyed',
      params: nameParams,
      answers: {
        200: {
          description: 'Counts; the five states sum to the total',
          schema: z.object({
            total: z.int(),
            available: z.int(),
            assigned: z.int(),
            locked: z.int(),
            redeemed: z.int(),
            expired: z.int(),
            claims: z.int(),
            validations: z.int(),
          }),
        },
      },
      problems: ['coupon_not_found'],
    },
    async ({ c, params }) => reply(c, 200, await readStats(sql, params.name)),
  );
}
