import type { Sql } from '@claimline/db/pool';
import type { Router } from '@claimline/http/router';
import type { AllowList } from './allow-list.ts';
import { mountEndpoints } from './http-endpoints.ts';
import { mountMessages } from './http-messages.ts';
import type { Seal } from './secret.ts';
import { createSender } from './send.ts';

/** Telling merchants: their endpoints. Answers what lets go of the connections. */
export function mountWebhooks(
  router: Router,
  { sql, seal, allow, totalMs }: { sql: Sql; seal: Seal; allow: AllowList; totalMs: number },
) {
  const sender = createSender({ allow, totalMs });
  mountEndpoints(router, { sql, seal, allow, sender });
  mountMessages(router, { sql });
  return { close: sender.close };
}
