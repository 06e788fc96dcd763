import { sqlFile } from '@claimline/db/sql-file';

/** What the usage log promises, for the checker: name to sentence, and the query that finds what is not so. */
export const validationCheck = {
  invariants: {
    'validations-are-counted-once': 'a coupon has as many attempts in the log as are counted and not removed',
  },
  sql: sqlFile(import.meta.url, './verify.sql'),
};
