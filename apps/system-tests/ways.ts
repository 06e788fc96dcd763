import { openWay, type Way } from './way.ts';

/** The ways of some processes to their stores. */
export interface StoreWays {
  postgres: Way;
  redis: Way | undefined;
}

/** A way of its own to each store for every API, and one for all workers. */
export interface Ways {
  apis: StoreWays[];
  workers: StoreWays;
}

/** Opens the ways between `apis` API processes, the workers, and the stores at these addresses. */
export async function openWays(
  stores: { postgres: string; redis: string | undefined },
  { apis, delayMs }: { apis: number; delayMs: number },
): Promise<Ways & { end(): Promise<void> }> {
  const opened: Way[] = [];
  async function open(): Promise<StoreWays> {
    const postgres = await openWay(stores.postgres, { delayMs });
    const redis = stores.redis === undefined ? undefined : await openWay(stores.redis);
    opened.push(postgres, ...(redis ? [redis] : []));
    return { postgres, redis };
  }
  const workers = await open();
  const ofApis: StoreWays[] = [];
  while (ofApis.length < apis) ofApis.push(await open());
  return {
    apis: ofApis,
    workers,
    async end() {
      await Promise.all(opened.map(way => way.end()));
    },
  };
}
