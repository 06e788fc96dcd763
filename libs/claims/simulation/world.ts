import { type Api, openApi } from './api.ts';
import { sleep } from './clock.ts';
import { createFaults } from './faults.ts';
import { createHistory } from './history.ts';
import { createOracle } from './oracle.ts';
import { createProcess, type Side, type SimulatedProcess, type Store } from './process.ts';
import { couponNames, type Schedule } from './schedule.ts';
import { createStores } from './stores.ts';
import { openWorkerProcess } from './worker.ts';

/** A supervisor starts a dead process again after this. */
const restartMs = 700;

/** A place where one process after the other runs, as under a supervisor. */
type Post = { process: SimulatedProcess; api: Api | null };

export type World = ReturnType<typeof createWorld>;

/** Processes and stores, with everything that may happen to them. */
export function createWorld({ seed, isShared, apis, workers, amounts, limits }: Schedule, isKept: boolean) {
  const history = createHistory(isKept);
  const faults = createFaults();
  const oracle = createOracle(
    () => stores.tables.rows,
    () => Date.now(),
  );
  const stores = createStores({
    seed,
    isShared,
    committed: oracle.committed,
    notified(payload) {
      oracle.notified(payload);
      history.say(`settled: ${inBrief(payload)}`);
    },
    onAdded: oracle.onAdded,
  });
  let coupons = 0;
  let starts = 0;

  function createCoupon(nth: number) {
    const id = `00000000-0000-4000-8000-${String(++coupons).padStart(12, '0')}`;
    const [name, amount] = [couponNames[nth] as string, amounts[nth] as number];
    stores.tables.insert({ id, name, amount, limit: limits[nth] as number });
  }
  couponNames.forEach((_, nth) => void createCoupon(nth));

  function start(side: Side, nth: number): Post {
    const name = `${side === 'accepting' ? 'api' : 'worker'} ${nth + 1}`;
    const process = createProcess({
      ...{ name, side, faults, say: history.say },
      seed: seed + ++starts,
    });
    const post: Post = { process, api: null };
    const opened =
      side === 'accepting'
        ? openApi(process, stores).then(api => {
            post.api = api;
          })
        : openWorkerProcess(process, stores);
    opened.catch(error => {
      // As a process whose store is away while it starts: its supervisor tries again.
      history.say(`${name} could not start: ${error}`);
      process.kill();
    });
    process.onKilled(() => {
      post.api = null;
      if (posts[side][nth] === post) void bringBack(side, nth, restartMs);
    });
    return post;
  }

  async function bringBack(side: Side, nth: number, ms: number) {
    await sleep(ms);
    if (posts[side][nth]?.process.isAlive) return;
    posts[side][nth] = start(side, nth);
    history.say(`${posts[side][nth].process.name} is started again`);
  }

  const posts: Record<Side, Post[]> = { accepting: [], working: [] };
  for (let nth = 0; nth < apis; nth++) posts.accepting[nth] = start('accepting', nth);
  for (let nth = 0; nth < workers; nth++) posts.working[nth] = start('working', nth);

  async function takeAway(store: Store, ms: number) {
    history.say(`${store.name} is away for ${ms} ms`);
    store.isAway = true;
    const outage = ++store.outages;
    await sleep(ms);
    if (store.outages === outage) store.isAway = false;
  }

  let endHolds = () => {};
  const healed = new Promise<void>(resolve => {
    endHolds = resolve;
  });

  return {
    history,
    faults,
    oracle,
    stores,
    createCoupon,
    takeAway,
    /** The process at a post, counted round. */
    at(side: Side, nth: number) {
      const all = posts[side];
      return all[nth % all.length] as Post;
    },
    /** The API at a post, null while it is dead or starting. */
    api(nth: number): Api | null {
      return (posts.accepting[nth % apis] as Post).api;
    },
    apis: () => posts.accepting.flatMap(post => post.api ?? []),
    isUp: () => posts.accepting.every(post => post.api),
    /** Resolves when everything heals. */
    healed,
    /** No fault waits any more; what was away is back within `restartMs`. */
    heal() {
      faults.disarm();
      endHolds();
      for (const post of posts.accepting) post.api?.changes.delay(0);
      for (const store of [stores.redis, stores.postgres]) store.isAway = false;
    },
  };
}

function inBrief(payload: string): string {
  const { outcomes, remaining } = JSON.parse(payload) as { outcomes: unknown[][]; remaining: number | null };
  const said = outcomes.map(([ticket, user, kind, what]) =>
    kind === 'g'
      ? `${user} ${ticket} granted ${what}`
      : `${user} ${ticket} ${kind === 'f' ? 'failed' : what}`,
  );
  return `${said.join(', ')}; ${remaining ?? 'nothing known'} left`;
}
