import { atMost, awaitUntil } from '../await-until.ts';
import type { ClaimClient } from '../claim-client.ts';
import type { Arena } from './arena.ts';
import type { Sale } from './sale.ts';

const leftForLatecomers = 20;
const salesAtOnce = 8;
const soldWithinMs = 60_000;

/**
 * No unit stays unsold for good: a long sale is cut down to 20 units more than were granted, and then
 * latecomers buy every sale out, one after the other, until one of them is told that nothing is left.
 */
export async function sellOut(arena: Arena, client: ClaimClient, sales: readonly Sale[]): Promise<void> {
  await atMost(salesAtOnce, sales, async sale => {
    if (!sale.isShort) await cutDown(client, sale);
    let late = 0;
    let last = '';
    await awaitUntil(
      'every unit to be sold',
      async () => {
        for (;;) {
          const answer = await client.claim(sale.name, `late-${++late}`);
          last = `${answer.status} ${answer.text}`;
          if (answer.status === 503) return false;
          if (answer.status === 200) continue;
          return (await client.coupon(sale.name)).body.remaining_amount === 0;
        }
      },
      soldWithinMs,
    ).catch(() => arena.finding(`"${sale.name}" has units that nobody can buy: the last was told ${last}`));
  });
}

async function cutDown(client: ClaimClient, sale: Sale): Promise<void> {
  await awaitUntil('the amount to be changed', async () => {
    const { body } = await client.coupon(sale.name);
    const amount = sale.amount - body.remaining_amount! + leftForLatecomers;
    return (await client.change(sale.name, { amount })).status === 200;
  });
  sale.amount = (await client.coupon(sale.name)).body.amount!;
}
