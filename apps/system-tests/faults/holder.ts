import { awaitUntil } from '../await-until.ts';
import type { Stack } from '../stack.ts';
import type { Sale } from './sale.ts';

/** An owner of a lane is `<host>-<pid>-<eight hexadecimal digits>`. */
const pidOfOwner = /-(\d+)-[0-9a-f]{8}\b/;

/** The index of the running worker that has the sale's lane open, or undefined. */
export function holderOf(stack: Stack, sale: Sale): Promise<number | undefined> {
  return holderOfLane(stack, `claims.${sale.id}`);
}

/** The same for a lane of any kind. */
export async function holderOfLane(stack: Stack, lane: string): Promise<number | undefined> {
  const owner = stack.redis
    ? await stack.redis.command(`HGET {lanes}:owners ${lane}`)
    : (await stack.sql<{ owner: string | null }[]>`select owner from lanes where lane = ${lane}`)[0]?.owner;
  const pid = Number(pidOfOwner.exec(owner ?? '')?.[1]);
  return stack.living().workers.find(index => stack.pids().workers[index] === pid);
}

/** Awaits that a running worker has the sale's lane open, and answers its index. */
export async function awaitHolder(stack: Stack, sale: Sale): Promise<number> {
  const [holder] = await awaitUntil('a worker to have the lane', async () => {
    const index = await holderOf(stack, sale);
    return index !== undefined && [index];
  });
  return holder!;
}
