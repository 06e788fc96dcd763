import type { Router } from '@claimline/http/router';

/** Validating codes. */
export function mountValidations(_router: Router) {}
