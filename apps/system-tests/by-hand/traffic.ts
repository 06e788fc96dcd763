import { expectNoServerErrors, freshName } from '../agree.ts';
import type { Stack } from '../stack.ts';

const othersAtOnce = 6;

/**
 * Keeps the API busy with other people's claims on a coupon that is sold out, so that the news of a change
 * by hand has to queue up like everything else. Answers how to stop it.
 */
export async function openTraffic(stack: Stack): Promise<() => Promise<void>> {
  const client = stack.client();
  const name = freshName('traffic');
  await client.create(name, 1);
  let open = true;
  const others = Array.from({ length: othersAtOnce }, async (_, other) => {
    for (let times = 0; open; times++) await client.join(name, `other-${other}-${times}`);
  });
  return async () => {
    open = false;
    await Promise.all(others);
    expectNoServerErrors(client.history);
  };
}
