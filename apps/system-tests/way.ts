import { connect, createServer, type Socket } from 'node:net';

/** What happens on a connection once a request with some text has been passed on. */
export type Mishap = 'cut' | 'cut at the answer' | 'hold answers';

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
   * Waits for the next request that carries all of `texts` and passes it on. Then its connection is cut at once, or
   * when the answer comes, which nobody hears; or the answers of every connection are kept back until
   * `release`. Resolves when that has happened: for `hold answers` when there is one to keep back.
   */
  afterRequest(texts: string[], mishap: Mishap): Promise<void>;
  end(): Promise<void>;
}

type Pair = { client: Socket; store: Socket; toStore: Buffer[]; toClient: Buffer[]; isDoomed: boolean };
type Trap = { texts: string[]; mishap: Mishap; done: () => void };

/**
 * Opens a way to the store at `url`. With `delayMs`, what the store says (notifications too) arrives that
 * much later and in order: a change made beside this way is committed before anybody behind it can hear of it.
 */
export async function openWay(url: string, { delayMs = 0 } = {}): Promise<Way> {
  const near = new URL(url);
  const pairs = new Set<Pair>();
  let holdsRequests = false;
  let holdsAnswers = false;
  let trap: Trap | undefined;
  let onHeld: (() => void) | undefined;
  const delayed = { delayMs };

  const server = createServer(client => {
    const store = connect(Number(near.port), near.hostname);
    const pair: Pair = { client, store, toStore: [], toClient: [], isDoomed: false };
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
    if (holdsRequests) {
      pair.toStore.push(bytes);
      return;
    }
    if (trap?.texts.every(text => bytes.includes(text))) spring(pair, bytes, trap);
    else pair.store.write(bytes);
  }

  function spring(pair: Pair, bytes: Buffer, { mishap, done }: Trap): void {
    trap = undefined;
    if (mishap === 'cut') {
      pair.store.write(bytes, () => drop(pair));
      done();
      return;
    }
    if (mishap === 'cut at the answer') pair.isDoomed = true;
    else holdsAnswers = true;
    onHeld = done;
    pair.store.write(bytes);
  }

  function onAnswer(pair: Pair, bytes: Buffer): void {
    if (pair.isDoomed) drop(pair);
    else if (holdsAnswers) pair.toClient.push(bytes);
    else if (pair.client.writable) pair.client.write(bytes);
    if (!pair.isDoomed && !holdsAnswers) return;
    onHeld?.();
    onHeld = undefined;
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
      holdsAnswers = false;
      for (const { client, store, toStore, toClient } of pairs) {
        for (const bytes of toStore.splice(0)) store.write(bytes);
        for (const bytes of toClient.splice(0)) client.write(bytes);
      }
    },
    afterRequest: (texts: string[], mishap: Mishap) =>
      new Promise<void>(done => {
        trap = { texts, mishap, done };
      }),
    end(): Promise<void> {
      for (const pair of pairs) drop(pair);
      return new Promise(resolve => server.close(() => resolve()));
    },
  });
}
