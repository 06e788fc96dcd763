/**
 * A train: items that arrive together travel together. One train is under way at a time;
 * whoever arrives meanwhile boards the next. Alone, an item departs in the same turn of the
 * event loop, so nobody waits for company.
 *
 * This is what turns 500 round trips into one under a stampede, on both sides of the queue:
 * claims board at the gate (claims/train.ts) and jobs board at the settle statement (claims/lane.ts).
 */
export type Train<Item, Answer> = {
  /** Boards an item; answers with what `depart` returned for it, or throws what it threw. */
  board(item: Item): Promise<Answer>;
  /** Items waiting or under way. */
  readonly size: number;
};

/** Timers are no finer than this; a shorter rest is none. */
const TIMER_MS = 1;

/** How heavy items are, and a train may be. */
export type Load<Item> = { weigh: (item: Item) => number; most: number };

type Seat<Item, Answer> = { item: Item; resolve: (answer: Answer) => void; reject: (error: unknown) => void };

/**
 * @param seats the most items that travel in one train
 * @param load what an item weighs, and the most that travels in one train; an item that weighs more travels alone
 * @param paceMs told how many travelled in a train, how long from its departure the next one waits for company,
 *   as long as somebody keeps arriving
 * @param depart takes the items in order of arrival and returns one answer for each, in that order
 */
export function createTrain<Item, Answer>({
  seats,
  load,
  paceMs,
  depart,
}: {
  seats: number;
  load?: Load<Item> | undefined;
  paceMs?: (size: number) => number;
  depart: (items: Item[]) => Promise<Answer[]>;
}): Train<Item, Answer> {
  let waiting: Seat<Item, Answer>[] = [];
  let underWay = 0;
  let scheduled = false;

  async function run() {
    while (waiting.length > 0) {
      const count = load ? countWithin(load) : seats;
      const passengers = waiting.length <= count ? waiting : waiting.slice(0, count);
      waiting = waiting.length <= count ? [] : waiting.slice(count);
      underWay = passengers.length;
      const nextMs = paceMs ? performance.now() + paceMs(passengers.length) : 0;
      try {
        const answers = await depart(passengers.map(passenger => passenger.item));
        for (const [index, passenger] of passengers.entries()) passenger.resolve(answers[index] as Answer);
      } catch (error) {
        for (const passenger of passengers) passenger.reject(error);
      }
      underWay = 0;
      if (nextMs > 0 && waiting.length < seats) await rest(nextMs);
    }
    scheduled = false;
  }

  /** How many of those who wait are not too heavy together. */
  function countWithin({ weigh, most }: Load<Item>): number {
    let weight = 0;
    for (let count = 0; count < seats && count < waiting.length; count++) {
      weight += weigh((waiting[count] as Seat<Item, Answer>).item);
      if (weight > most) return Math.max(1, count);
    }
    return seats;
  }

  /** Until `untilMs`, or until nobody has arrived for a moment: then all who may come are aboard. */
  async function rest(untilMs: number) {
    for (let aboard = -1; aboard !== waiting.length && untilMs - performance.now() >= TIMER_MS; ) {
      aboard = waiting.length;
      await new Promise(resolve => setTimeout(resolve, TIMER_MS));
    }
  }

  return {
    board(item) {
      return new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        if (scheduled) return;
        scheduled = true;
        setImmediate(run); // Everybody who was read from a socket in this turn gets on board.
      });
    },
    get size() {
      return waiting.length + underWay;
    },
  };
}
