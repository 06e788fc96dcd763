export type SharedPingOptions = {
  /** Resolves when everything that was on its way before the call has arrived. */
  ping: () => Promise<unknown>;
  /** The least time between the starts of two pings. */
  minIntervalMs: number;
  /** How long a caller waits for an answer. */
  timeoutMs: number;
  /** A ping without an answer for this long is reported through `onDead`. */
  deadMs: number;
  onDead: () => void;
};

/** A ping that many callers share. Starts closed; `open` and `close` tell it whether there is a connection. */
export type SharedPing = {
  /** True when a ping that was sent after this call has been answered; false when that cannot be had now. */
  barrier(): Promise<boolean>;
  open(): void;
  close(): void;
};

/** Callers who wait for the same ping. */
type Batch = { promise: Promise<boolean>; settle: (answered: boolean) => void };

/**
 * Shares pings: at most one is under way, and whoever comes while one is waits for the next, because
 * the one under way may have been sent too early for them. After a ping that did not answer in time
 * nobody waits again until it does.
 */
export function createSharedPing(options: SharedPingOptions): SharedPing {
  let isOpen = false;
  /** The batch of the ping under way; its identity tells a late answer of a closed connection apart. */
  let current: Batch | undefined;
  let next: Batch | undefined;
  let stuck = false;
  let startedMs = Number.NEGATIVE_INFINITY;
  let timers: NodeJS.Timeout[] = [];
  let starting: NodeJS.Timeout | undefined;

  function barrier(): Promise<boolean> {
    if (!isOpen || stuck) return Promise.resolve(false);
    next ??= createBatch();
    const { promise } = next;
    start();
    return promise;
  }

  function start(): void {
    if (current || starting || !next) return;
    const waitMs = startedMs + options.minIntervalMs - performance.now();
    if (waitMs <= 0) send();
    else starting = setTimeout(send, Math.ceil(waitMs));
  }

  function send(): void {
    starting = undefined;
    const batch = next;
    if (!batch) return;
    current = batch;
    next = undefined;
    startedMs = performance.now();
    timers = [setTimeout(onTimeout, options.timeoutMs), setTimeout(options.onDead, options.deadMs)];
    options.ping().then(
      () => finish(batch, true),
      () => finish(batch, false),
    );
  }

  function onTimeout(): void {
    stuck = true;
    current?.settle(false);
    next?.settle(false);
    next = undefined;
  }

  function finish(batch: Batch, answered: boolean): void {
    if (current !== batch) return;
    reset();
    batch.settle(answered);
    start();
  }

  function reset(): void {
    for (const timer of timers.splice(0)) clearTimeout(timer);
    current = undefined;
    stuck = false;
  }

  return {
    barrier,
    open() {
      isOpen = true;
    },
    close() {
      isOpen = false;
      clearTimeout(starting);
      starting = undefined;
      current?.settle(false);
      next?.settle(false);
      next = undefined;
      reset();
    },
  };
}

function createBatch(): Batch {
  let settle: Batch['settle'] = () => {};
  const promise = new Promise<boolean>(resolve => {
    settle = resolve;
  });
  return { promise, settle };
}
