import { expect, test } from 'vitest';
import { freshName } from '../agree.ts';
import type { Exit } from '../child.ts';
import type { ThisStack } from '../engines.ts';
import { openSale, seeToTheEnd } from '../sale.ts';

const slowMs = 180_000;
const stoppedWithinMs = 30_000;

/** Every process stopped by SIGTERM and started again, one after the other, in the middle of a sale. */
export function tidyStops(stack: ThisStack): void {
  test('a rolling restart fails nobody who was accepted', { timeout: slowMs }, async () => {
    const amount = stack().engine === 'redis' ? 1_500 : 300;
    const sale = await openSale(stack(), freshName('rolling'), amount);
    await sale.accepted(amount / 8);
    const { apis, workers } = stack().pids();
    for (const [index] of apis.entries()) {
      await expectTidy(() => stack().killApi(index, 'SIGTERM'));
      await stack().startApi();
    }
    await sale.accepted(amount / 2);
    for (const index of workers.keys()) {
      const stopping = expectTidy(() => stack().killWorker(index, 'SIGTERM'));
      if (index >= workers.length - 2) stack().startWorker();
      await stopping;
    }
    await seeToTheEnd(stack(), sale);
  });
}

/** A stop is tidy when the process ends by itself, with code 0, in time. One that had ended before is none. */
async function expectTidy(stop: () => Promise<Exit | undefined>): Promise<void> {
  const askedAt = performance.now();
  const exit = await stop();
  if (exit?.signal === 'SIGKILL') return;
  expect(exit).toEqual({ code: 0, signal: null });
  expect(performance.now() - askedAt).toBeLessThan(stoppedWithinMs);
}
