import { sqlFile } from '@claimline/db/sql-file';

/** What books promise about the stock, which reconcile puts right by them. */
export const stockCheck = {
  invariants: {
    'stock-is-the-codes': 'a coupon with a book has as many units as codes, and as many left as nobody has',
  },
  sql: sqlFile(import.meta.url, './verify-stock.sql'),
};

/** What books promise besides, for the checker: name to sentence, and the query that finds what is not so. */
export const codeCheck = {
  invariants: {
    'available-codes-can-be-granted': 'no code that nobody has lies behind the position of its book',
    'claims-have-a-code': 'every claim on a coupon with a book has a code',
    'assigned-codes-are-claimed': 'every code that somebody has came with a claim of that person',
    'codes-are-assigned-once': 'no code is assigned to two claims',
    'redemptions-within-limit': 'a code was redeemed as often as it says, and not more often than it may be',
    'public-uses-within-limit':
      'a public code was used as often as it says, and not more often than it may be',
    'public-uses-within-limit-of-person':
      'nobody used the codes of a public coupon more often than it allows',
    'one-code-an-order': 'an order used one code at most, once',
    'every-change-is-in-the-audit': 'the audit of a code begins with its assignment and ends with its state',
  },
  sql: sqlFile(import.meta.url, './verify.sql'),
};
