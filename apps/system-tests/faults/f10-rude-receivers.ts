import { startReceiver } from '@claimline/http/testing-receiver';
import { awaitUntil } from '../await-until.ts';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';
import { databaseNowMs, type Merchant, merchantEnv, openMerchant, seeTold } from './merchant.ts';

const blockedWithinMs = 60_000;
/** A loopback address that nobody has opened for webhooks, unlike 127.0.0.1. */
const TRAP_HOST = '127.0.0.2';

/** Receivers that hang, fail, pour out megabytes, send elsewhere: the friendly ones are told everything meanwhile, and nobody inward hears a thing. */
export const rudeReceivers: Fault = {
  id: 'F10',
  title: 'webhook receivers that hang, fail, answer 10 MB, redirect inward; addresses that lead inward',
  stack: () => ({ apis: 1, workers: 2, env: merchantEnv }),
  async run(arena) {
    const trap = await startReceiver({}, { host: TRAP_HOST });
    const merchants: Merchant[] = [];
    const open = async (
      ...behavior: Parameters<typeof openMerchant> extends [Arena, ...infer B] ? B : never
    ) => {
      const merchant = await openMerchant(arena, ...behavior);
      merchants.push(merchant);
      return merchant;
    };
    try {
      await open({ mode: 'hang' });
      await open({ mode: 'drip' });
      await open({ mode: 'reset' });
      await open({ mode: 'big' });
      await open({ status: 500 });
      await open({ status: 429, headers: { 'retry-after': '3600' } });
      await open({ mode: 'redirect', status: 307, headers: { location: trap.url } });
      const gone = await open({ status: 410 });
      const inward = await openInward(arena, open, trap.port);
      const friendly = [await open(), await open({ delayMs: 20 })];
      const sinceMs = await databaseNowMs(arena);
      arena.injected(`${merchants.length - friendly.length} receivers that are rude or out of reach`);

      const crowd = await arena.crowd({ perSecond: 50 });
      await awaitUntil('people to come', () => crowd.accepted() >= arena.sized(150, 800, 5000), 300_000);
      await crowd.seeOut();
      await seeTold(arena, friendly, sinceMs);
      await awaitUntil(
        'what leads inward to be tried',
        async () => (await blockedAttempts(arena, inward)) === inward.length,
        blockedWithinMs,
      );
      if ((await gone.status()) !== 'disabled') arena.finding('an endpoint that answered 410 is enabled');
      if (trap.connections() > 0) arena.finding(`an address inward was reached ${trap.connections()} times`);
    } finally {
      await Promise.all(merchants.map(merchant => merchant.close()));
      await trap.close();
    }
  },
};

/** The zoo: none of these can be registered, and what somebody writes into the table is not reached either. */
async function openInward(arena: Arena, open: () => Promise<Merchant>, port: number): Promise<Merchant[]> {
  const { stack } = arena;
  const hosts = [
    ...[TRAP_HOST, '2130706434', '0x7f.2', '127.2', '0177.0.0.2', '0', '169.254.169.254'],
    ...['[::1]', '[::]', '[::ffff:127.0.0.2]', '[::ffff:7f00:2]', '[64:ff9b::7f00:2]', '10.0.0.1'],
  ];
  const merchants: Merchant[] = [];
  for (const host of hosts) {
    const url = `http://${host}:${port}/`;
    const { status } = await stack.client().post('/api/webhook-endpoints', { url });
    if (status !== 400) arena.finding(`${url} could be registered: ${status}`);
    const merchant = await open();
    await stack.sql`update webhook_endpoints set url = ${url} where id = ${merchant.id}`;
    merchants.push(merchant);
  }
  return merchants;
}

/** How many of them were tried, and refused by ourselves each time. */
async function blockedAttempts({ stack, finding }: Arena, merchants: Merchant[]): Promise<number> {
  const rows = await stack.sql<{ lane: string; blocked: boolean; errors: string }[]>`
    select lane, bool_and(error like 'blocked%') as blocked, string_agg(distinct error, ', ') as errors
    from webhook_attempts group by lane`;
  const tried = rows.filter(({ lane }) => merchants.some(({ id }) => id === lane));
  for (const { blocked, errors } of tried) if (!blocked) finding(`an address inward was tried: ${errors}`);
  return tried.length;
}
