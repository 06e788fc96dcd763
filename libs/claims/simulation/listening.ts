import { type Changes, changesLimits } from '@claimline/db/changes';
import { createSharedPing } from '@claimline/db/shared-ping';
import { nowMs, sleep } from './clock.ts';
import { draw } from './draw.ts';
import type { SimulatedProcess, Store } from './process.ts';

const limits = {
  /** A notification is on its way for less than this. */
  legMs: 4,
  reconnectMs: 100,
} as const;

/** Everybody who listens, as Postgres sees it. */
export type Listeners = Set<(channel: string, payload: string) => void>;

/** A process's listening connection, on the model of Postgres. */
export type Listening = Changes & {
  /** The connection is lost, and made again after `ms`. */
  cut(ms: number): void;
  /** Whatever is on its way from now on takes `ms` longer. */
  delay(ms: number): void;
  /** Virtual time when a barrier could last not be had: until then what is known here may be old. */
  readonly deafMs: number;
};

/** See db/changes.ts: notifications and the answers of pings arrive in the order in which they were sent. */
export function createListening(
  process: SimulatedProcess,
  {
    store,
    listeners,
    clockMs,
    seed,
  }: { store: Store; listeners: Listeners; clockMs: () => number; seed: number },
): Listening {
  const handlers = new Map<string, ((payload: string) => void)[]>();
  const reconnected: (() => void)[] = [];
  const waitingForSession: (() => void)[] = [];
  let session = 0;
  let isUp = false;
  let wasUp = false;
  let lastMs = 0;
  let lateMs = 0;
  let sent = 0;
  let deafMs = nowMs();

  /** Has `fn` run when what was sent now arrives, after everything sent before; or never. */
  async function arrive(fn: () => void) {
    const arrivesFor = session;
    const legMs = Math.floor(draw(seed, process.name, 'notification', ++sent) * limits.legMs);
    lastMs = Math.max(nowMs() + legMs + lateMs, lastMs);
    await sleep(lastMs - nowMs());
    await process.running();
    if (session === arrivesFor && isUp) fn();
  }

  function deliver(channel: string, payload: string) {
    if (isUp) void arrive(() => handlers.get(channel)?.forEach(fn => void fn(payload)));
  }
  listeners.add(deliver);
  process.onKilled(() => {
    listeners.delete(deliver);
    clearInterval(watch);
    pings.close();
  });

  const pings = createSharedPing({
    async ping() {
      const asksFor = session;
      await sleep(Math.floor(draw(seed, process.name, 'ping', ++sent) * limits.legMs));
      if (session !== asksFor || !isUp) throw new Error('the connection was lost');
      await new Promise<void>(resolve => void arrive(resolve));
    },
    minIntervalMs: changesLimits.pingMinIntervalMs,
    timeoutMs: changesLimits.pingTimeoutMs,
    deadMs: changesLimits.pingDeadMs,
    onDead: () => cut(limits.reconnectMs),
  });

  async function connect(afterMs: number) {
    await sleep(afterMs);
    while (store.isAway) await sleep(limits.reconnectMs);
    await process.running();
    session++;
    isUp = true;
    wasUp = true;
    lateMs = 0;
    lastMs = nowMs();
    for (const fn of reconnected) fn();
    for (const ready of waitingForSession.splice(0)) ready();
    pings.open();
  }

  function cut(ms: number) {
    if (!isUp) return;
    isUp = false;
    session++;
    pings.close();
    void connect(ms);
  }

  let knownOutages = store.outages;
  const watch = setInterval(() => {
    if (store.outages === knownOutages) return;
    knownOutages = store.outages;
    cut(limits.reconnectMs);
  }, limits.reconnectMs);
  void connect(0);

  return {
    async on(channel, fn) {
      handlers.set(channel, [...(handlers.get(channel) ?? []), fn]);
      if (!isUp) await new Promise<void>(resolve => void waitingForSession.push(resolve));
    },
    onReconnect: fn => void reconnected.push(fn),
    async barrier() {
      const isHeard = await pings.barrier();
      if (!isHeard) deafMs = nowMs();
      return isHeard;
    },
    databaseNowMs: () => (wasUp ? clockMs() : undefined),
    connected: () => isUp,
    async close() {},
    cut,
    delay(ms) {
      lateMs = ms;
    },
    get deafMs() {
      return isUp ? deafMs : nowMs();
    },
  };
}
