import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import type { Router } from '@claimline/http/router';
import type { Attempt } from './attempt.ts';
import { mountValidating } from './http-validate.ts';
import { createValidator } from './validate.ts';

/**
 * Validating codes.
 *
 * @param validateSql see createValidator
 * @param record takes down every attempt; neither throws nor waits
 */
export function mountValidations(
  router: Router,
  {
    validateSql,
    changes,
    record,
  }: { validateSql: Sql; changes: Changes; record: (attempt: Attempt) => void },
) {
  mountValidating(router, {
    validate: createValidator(validateSql),
    record,
    nowMs: () => changes.databaseNowMs() ?? Date.now(),
  });
}
