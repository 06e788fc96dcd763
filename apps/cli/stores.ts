import { openChanges } from '@claimline/db/changes';
import { assertSchema } from '@claimline/db/migrate';
import { closePool, openPool, type Sql } from '@claimline/db/pool';
import { createClosers } from '@claimline/kernel/closers';
import type { Engine } from '@claimline/queue/engine';
import { openEngine } from '@claimline/queue/open';
import { type Config, readConfig } from '../config.ts';
import { requireDatabaseUrl } from '../process.ts';

/** Connections of a command. */
const CONNECTIONS = 4;

/**
 * Opens the configured stores for a command and closes them after it. `openQueue` opens the queue, which
 * not every command needs.
 * @throws Error that says what is missing or away
 */
export async function withStores<T>(
  run: (stores: {
    config: Config;
    databaseUrl: string;
    sql: Sql;
    openQueue: () => Promise<Engine>;
  }) => Promise<T>,
): Promise<T> {
  const config = readConfig();
  const databaseUrl = requireDatabaseUrl(config);
  const closers = createClosers(() => {}); // The command is over by then.
  const onError = () => {}; // What a lost store breaks is thrown where it is used.
  const sql = openPool({ url: databaseUrl, applicationName: 'claimline command', max: CONNECTIONS });
  closers.push('postgres', () => closePool(sql));
  async function openQueue(): Promise<Engine> {
    const changes = openChanges({ url: databaseUrl, applicationName: 'claimline command listen', onError });
    closers.push('changes', () => changes.close());
    const engine = await openEngine({
      ...{ redisUrl: config.REDIS_URL, databaseUrl, sql, changes, onError },
      ...{ side: 'accepting', connectionsMost: CONNECTIONS },
    });
    closers.push('queue', () => engine.close());
    return engine;
  }
  try {
    await assertSchema(sql);
    return await run({ config, databaseUrl, sql, openQueue });
  } finally {
    await closers.close();
  }
}

/** The coupon that a command is limited to, null for all. @throws Error when there is none of that name */
export async function requireCoupon(sql: Sql, name: string | undefined): Promise<string | null> {
  if (name === undefined) return null;
  const [coupon] = await sql`select from coupons where name = ${name}`;
  if (!coupon) throw new Error(`there is no coupon "${name}"`);
  return name;
}
