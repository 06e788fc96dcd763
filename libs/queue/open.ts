import type { Changes } from '@claimline/db/changes';
import type { Sql } from '@claimline/db/pool';
import type { Engine } from './engine.ts';
import { openPostgresEngine } from './postgres-engine.ts';
import { openRedisEngine } from './redis-engine.ts';

/** The one place where the engine is chosen: BullMQ on Redis when there is one, else on Postgres. */
export function openEngine({
  redisUrl,
  databaseUrl,
  sql,
  changes,
  side,
  connectionsMost,
  onError,
}: {
  redisUrl: string | undefined;
  databaseUrl: string;
  sql: Sql;
  changes: Changes;
  side: 'accepting' | 'working';
  connectionsMost: number;
  onError: (error: Error) => void;
}): Promise<Engine> {
  if (redisUrl) return openRedisEngine({ url: redisUrl, side, onError });
  return openPostgresEngine({ url: databaseUrl, sql, changes, connectionsMost, onError });
}
