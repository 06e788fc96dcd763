import { sqlFile } from '@claimline/db/sql-file';

/** What webhooks promise, for the checker: name to sentence, and the query that finds what is not so. */
export const webhookCheck = {
  invariants: {
    'events-are-numbered-without-gaps': 'the messages of a subject are numbered one after the other',
    'every-outcome-is-told-once': 'every outcome of the last day has one message, from the first endpoint on',
    'every-endpoint-is-told': 'every message of the last day goes to every endpoint that wants it',
    'no-delivery-is-forgotten': 'what is due is tried, while its receiver is not spared',
  },
  sql: sqlFile(import.meta.url, './verify.sql'),
};
