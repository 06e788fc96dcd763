import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import type { Router } from '@claimline/http/router';
import type { Attempt } from './attempt.ts';
import { mountAttempts } from './http-attempts.ts';
import { mountValidating } from './http-validate.ts';
import { createValidator } from './validate.ts';

/**
 * Validating codes, and the usage log.
 *
 * @param validateSql see createValidator
 * @param record takes down every attempt; neither throws nor waits
 */
export function mountValidations(
  router: Router,
  {
    sql,
    validateSql,
    changes,
    record,
  }: { sql: Sql; validateSql: Sql; changes: Changes; record: (attempt: Attempt) => void },
) {
  mountValidating(router, {
    validate: createValidator(validateSql),
    record,
    nowMs: () => changes.databaseNowMs() ?? Date.now(),
  });
  mountAttempts(router, { sql });
}
