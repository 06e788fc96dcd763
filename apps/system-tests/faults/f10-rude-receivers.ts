import { setTimeout as delay } from 'node:timers/promises';
import { type Behavior, type Receiver, startReceiver } from '@claimline/http/testing-receiver';
import { awaitUntil } from '../await-until.ts';
import type { Stack } from '../stack.ts';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';

/** Where receivers are that may be reached, and where nothing may be. */
const hosts = { allowed: '127.0.0.2', inward: '127.0.0.1' } as const;
const friendly = 3;
const toldWithinMs = 60_000;
const path = '/api/webhook-endpoints';
/** One message each. */
const outcomes = ['claim.granted', 'claim.refused'];

/** Endpoints of merchants that do everything wrong, beside some that do not. */
export const rudeReceivers: Fault = {
  id: 'F10',
  title: 'receivers that hang, fail, drip, redirect inward or are inward',
  stack: () => ({
    workers: 2,
    env: {
      WEBHOOK_ALLOW_HOSTS: hosts.allowed,
      WEBHOOK_TIMEOUT_SECONDS: '2',
      WEBHOOK_SCHEDULE_SECONDS: '0,0.2,0.5,1',
      WEBHOOK_THROTTLED_SECONDS: '1',
    },
  }),
  async run(arena) {
    const { stack, sized } = arena;
    const inward = await startReceiver({}, { host: hosts.inward });
    const receivers: Receiver[] = [inward];
    const start = async (behavior: Behavior) => {
      const receiver = await startReceiver(behavior, { host: hosts.allowed });
      receivers.push(receiver);
      return { receiver, id: await createEndpoint(stack, receiver.url) };
    };
    try {
      await refuseInward(arena, inward);
      const good = await inTurn(
        Array.from({ length: friendly }, () => ({})),
        start,
      );
      const rude = await inTurn(Object.values(rudeness(inward.url)), start);
      const smuggled = await smuggle(arena, inward);
      for (const what of Object.keys(rudeness(''))) arena.injected(`a receiver that answers ${what}`);

      const crowd = await arena.crowd({ perSecond: sized(25, 100, 200), hasShort: false });
      await delay(sized(2_000, 15_000, 60_000));
      await crowd.seeOut();
      await checkTold(arena, good);
      await checkRude(arena, rude);
      if (inward.connections() > 0) arena.finding(`${inward.connections()} connections were made inward`);
      for (const id of [...good, ...rude].map(one => one.id).concat(smuggled))
        await stack.client().request('DELETE', `${path}/${id}`);
    } finally {
      await Promise.all(receivers.map(receiver => receiver.close()));
    }
  },
};

/** What each rude receiver does, by what it answers. */
function rudeness(inwardUrl: string): Record<string, Behavior> {
  return {
    nothing: { mode: 'hang' },
    'a byte at a time': { mode: 'drip' },
    '10 MB': { mode: 'big' },
    'with a reset': { mode: 'reset' },
    500: { status: 500 },
    '429, to come back in an hour': { status: 429, headers: { 'retry-after': '3600' } },
    'a redirect inward': { mode: 'redirect', status: 307, headers: { location: inwardUrl } },
    410: { status: 410 },
  };
}

async function inTurn<T, Made>(some: T[], make: (one: T) => Promise<Made>): Promise<Made[]> {
  const made: Made[] = [];
  for (const one of some) made.push(await make(one));
  return made;
}

async function createEndpoint(stack: Stack, url: string): Promise<string> {
  const { status, text, body } = await stack.client().post(path, { url, event_types: outcomes });
  if (status !== 201) throw new Error(`an endpoint could not be made: ${status} ${text}`);
  return (body as unknown as { id: string }).id;
}

/** Every spelling of an address that leads to this machine. */
function spellings(port: number): string[] {
  const literals = ['127.0.0.1', '2130706433', '0x7f.1', '127.1', '0', '[::1]', '[::ffff:127.0.0.1]'];
  return literals.map(host => `http://${host}:${port}/`);
}

async function refuseInward({ stack, injected, finding }: Arena, { port }: Receiver): Promise<void> {
  for (const url of [...spellings(port), 'http://169.254.169.254/', `https://127.0.0.1:${port}/`]) {
    injected(`an endpoint at ${url}`);
    const { status } = await stack.client().post(path, { url });
    if (status !== 400) finding(`an endpoint at ${url} was answered ${status}`);
  }
}

/** Inward addresses that came by another way than the API, and a name that leads inward. */
async function smuggle({ stack, injected }: Arena, { port }: Receiver): Promise<string[]> {
  const urls = [...spellings(port), `https://localhost:${port}/`];
  return inTurn(urls, async url => {
    injected(`an endpoint that was put at ${url} by hand`);
    const id = await createEndpoint(stack, 'https://claimline.invalid/');
    await stack.sql`update webhook_endpoints set url = ${url} where id = ${id}`;
    return id;
  });
}

type Told = { receiver: Receiver; id: string }[];

/** Every message reached every friendly receiver, with one id each, whatever the others do. */
async function checkTold({ stack, finding, figure }: Arena, good: Told): Promise<void> {
  const startedMs = performance.now();
  const [decided] = await stack.sql<{ total: number }[]>`
    select ((select count(*) from claims where ticket is not null) + (select count(*) from refusals))::int as total`;
  const total = decided?.total ?? 0;
  const idsAt = ({ received }: Receiver) =>
    new Set(received.map(({ headers }) => headers['webhook-id'])).size;
  const isTold = async () => {
    const [row] = await stack.sql`
      select (select count(*) from outbox)::int as waiting,
        (select count(*) from webhook_messages where ticket is not null)::int as messages`;
    return row?.waiting === 0 && row?.messages === total && good.every(one => idsAt(one.receiver) >= total);
  };
  await awaitUntil('the friendly receivers to be told', isTold, toldWithinMs).catch(() => {});
  for (const { receiver } of good)
    if (idsAt(receiver) !== total)
      finding(`${total} outcomes, ${idsAt(receiver)} messages at ${receiver.url}`);
  figure(
    `${total} outcomes reached each of ${good.length} receivers, the last ${Math.round(performance.now() - startedMs)} ms after the last was told its outcome`,
  );
}

/** 410 disables at once; a body that is too long or too slow is no failure. */
async function checkRude({ stack, finding }: Arena, rude: Told): Promise<void> {
  const behaviors = Object.keys(rudeness(''));
  const endpointOf = (what: string) => rude[behaviors.indexOf(what)]!;
  const read = async (what: string) =>
    (await stack.client().get(`${path}/${endpointOf(what).id}`)).body as unknown as {
      disabled_reason: string;
    };
  const { disabled_reason } = await read('410');
  if (disabled_reason !== 'gone') finding(`one that answered 410 has the reason ${disabled_reason}`);
  for (const what of behaviors)
    if (endpointOf(what).receiver.received.length === 0)
      finding(`the one that answers ${what} was never asked`);
  const [row] = await stack.sql`
    select count(*)::int as delivered from webhook_attempts
    where lane = ${endpointOf('10 MB').id} and status_code = 200 and octet_length(body) = 16384`;
  if (row?.delivered === 0) finding('nothing was delivered to the one that answers 10 MB');
}
