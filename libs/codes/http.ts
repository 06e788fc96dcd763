import type { Grant } from '@claimline/claims';
import type { Sql } from '@claimline/db/pool';
import type { Router } from '@claimline/http/router';
import { mountBooks } from './http-book.ts';
import { mountLists } from './http-lists.ts';
import { mountRedemptions } from './http-redemptions.ts';
import { mountUses } from './http-use.ts';

/** Books of codes: filling them, giving codes out by name, locking and redeeming, and everything that reads them. */
export function mountCodes(
  router: Router,
  house: {
    sql: Sql;
    grant: Grant;
    issueTicket: (couponId: string) => string;
    onError: (error: Error) => void;
    /** Its reason is the problem that is told where a book is not full yet. */
    stopping: AbortSignal;
  },
) {
  mountBooks(router, house);
  mountUses(router, house);
  mountLists(router, house);
  mountRedemptions(router, house);
}
