import { connect, createServer, type Socket } from 'node:net';

const comesByWithinMs = 30_000;

/**
 * What happens on a connection when a request with some text comes by: it is passed on and the connection cut at once,
 * or when the answer comes, which nobody hears; or what comes from then on is kept back until `release`, the
 * request itself first or its answer first.
 */
export type Mishap = 'cut' | 'cut at the answer' | 'hold' | 'hold the answer';

/** The connection on which a mishap has happened. */
export interface Caught {
  /** Whether it is gone: cut, or its client has ended. */
  isGone(): boolean;
}

/** A way to a store that can be slow, be held up, or break: a TCP proxy in this process. */
export interface Way {
  url: string;
  /** How late what the store says arrives; may be changed at any time. */
  delayMs: number;
  /** Keeps back what clients send from now on, until `release`. */
  holdRequests(): void;
  /** Lets everything pass again, and what was kept back first. */
  release(): void;
  /**
   * Has the mishap happen on the connection of the next request that carries all of `texts`, and resolves when it
   * has: where it is about the answer, when that has come. Rejects when nothing came by within 30 s.
   */
  afterRequest(texts: string[], mishap: Mishap): Promise<Caught>;
  end(): Promise<void>;
}

type Pair = {
  client: Socket;
  store: Socket;
  toStore: Buffer[];
  toClient: Buffer[];
  mishap?: Mishap;
  onAnswer?: () => void;
};
type Trap = { texts: string[]; mishap: Mishap; caught: (pair: Pair) => void };

/**
 * Opens a way to the store at `url`. With `delayMs`, what the store says (notifications too) arrives that
 * much later and in order: a change made beside this way is committed before anybody behind it can hear of it.
 */
export async function openWay(url: string, { delayMs = 0 } = {}): Promise<Way> {
  const near = new URL(url);
  const pairs = new Set<Pair>();
  let holdsRequests = false;
  let trap: Trap | undefined;
  const delayed = { delayMs };

  const server = createServer(client => {
    const store = connect(Number(near.port), near.hostname);
    const pair: Pair = { client, store, toStore: [], toClient: [] };
    pairs.add(pair);
    for (const socket of [client, store]) {
      socket.setNoDelay(true);
      socket.on('error', () => drop(pair));
      socket.on('close', () => drop(pair));
    }
    client.on('data', bytes => onRequest(pair, bytes));
    store.on('data', bytes => {
      if (delayed.delayMs > 0) setTimeout(() => onAnswer(pair, bytes), delayed.delayMs);
      else onAnswer(pair, bytes);
    });
  });

  function drop(pair: Pair): void {
    pairs.delete(pair);
    pair.client.destroy();
    pair.store.destroy();
  }

  function onRequest(pair: Pair, bytes: Buffer): void {
    if (holdsRequests || pair.mishap === 'hold') pair.toStore.push(bytes);
    else if (trap?.texts.every(text => bytes.includes(text))) spring(pair, bytes, trap);
    else pair.store.write(bytes);
  }

  function spring(pair: Pair, bytes: Buffer, { mishap, caught }: Trap): void {
    trap = undefined;
    pair.mishap = mishap;
    if (mishap === 'hold') pair.toStore.push(bytes);
    else pair.store.write(bytes, () => mishap === 'cut' && drop(pair));
    if (mishap === 'hold' || mishap === 'cut') caught(pair);
    else pair.onAnswer = () => caught(pair);
  }

  function onAnswer(pair: Pair, bytes: Buffer): void {
    if (pair.mishap === 'cut at the answer') drop(pair);
    else if (pair.mishap === 'hold the answer') pair.toClient.push(bytes);
    else if (pair.client.writable) pair.client.write(bytes);
    pair.onAnswer?.();
    delete pair.onAnswer;
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const far = new URL(url);
  far.port = String(typeof address === 'object' && address ? address.port : 0);
  return Object.assign(delayed, {
    url: far.href,
    holdRequests() {
      holdsRequests = true;
    },
    release() {
      holdsRequests = false;
      for (const pair of pairs) {
        const { client, store, toStore, toClient, mishap } = pair;
        if (mishap === 'hold' || mishap === 'hold the answer') delete pair.mishap;
        for (const bytes of toStore.splice(0)) store.write(bytes);
        for (const bytes of toClient.splice(0)) client.write(bytes);
      }
    },
    afterRequest: (texts: string[], mishap: Mishap) =>
      new Promise<Caught>((resolve, reject) => {
        const timer = setTimeout(() => {
          trap = undefined;
          reject(new Error(`nothing with ${JSON.stringify(texts)} came by within ${comesByWithinMs} ms`));
        }, comesByWithinMs);
        trap = {
          ...{ texts, mishap },
          caught(pair) {
            clearTimeout(timer);
            resolve({ isGone: () => !pairs.has(pair) });
          },
        };
      }),
    end(): Promise<void> {
      for (const pair of pairs) drop(pair);
      return new Promise(resolve => server.close(() => resolve()));
    },
  });
}
