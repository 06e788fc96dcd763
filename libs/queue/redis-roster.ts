import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';
import type { Scripts } from './engine.ts';
import type { ListedLane, Roster } from './roster.ts';

/** Lanes that the board can still show after they closed. */
const LANES_REMEMBERED = 1000;

const keys = {
  wanted: '{lanes}:wanted',
  owners: '{lanes}:owners',
  labels: '{lanes}:labels',
  seen: '{lanes}:seen',
  channel: '{lanes}:wake',
};

/** The roster in Redis: four small keys in one slot, one script a verb (roster/*.lua). */
export function createRedisRoster(redis: Redis, scripts: Scripts, subscribe: () => Redis): Roster {
  const read = (verb: string) => readFileSync(new URL(`./roster/${verb}.lua`, import.meta.url), 'utf8');
  const want = scripts.load('rosterWant', read('want'));
  const take = scripts.load('rosterTake', read('take'));
  const renew = scripts.load('rosterRenew', read('renew'));
  const leave = scripts.load('rosterLeave', read('leave'));

  async function look(lanes: string[]): Promise<ListedLane[]> {
    if (lanes.length === 0) return [];
    const [labels, owners, wanted, [seconds, micros]] = await Promise.all([
      redis.hmget(keys.labels, ...lanes),
      redis.hmget(keys.owners, ...lanes),
      redis.zmscore(keys.wanted, ...lanes),
      redis.time(),
    ]);
    return lanes.map((lane, i) => ({
      lane,
      label: labels[i] ?? lane,
      open: isLeased(owners[i], Number(seconds) * 1000 + Number(micros) / 1000),
      wanted: wanted[i] !== null,
    }));
  }

  return {
    async want(lane, label) {
      await want(
        [keys.wanted, keys.owners, keys.labels, keys.seen, keys.channel],
        [lane, label, LANES_REMEMBERED],
      );
    },
    async take(owner, leaseMs, most, open = new Map()) {
      const counts = [...open].flat();
      return (await take([keys.wanted, keys.owners], [owner, leaseMs, most, ...counts])) as string[];
    },
    async renew(owner, leaseMs, lanes) {
      return (await renew([keys.owners], [owner, leaseMs, ...lanes])) as string[];
    },
    async leave(owner, lane, quietMs) {
      return (await leave([keys.wanted, keys.owners, keys.channel], [owner, lane, quietMs])) === 1;
    },
    async handOver(owner, lanes) {
      for (const lane of lanes) await leave([keys.wanted, keys.owners, keys.channel], [owner, lane, -1]);
    },
    list: async limit => look(await redis.zrevrange(keys.seen, 0, limit - 1)),
    look,
    async onWanted(wake) {
      const subscriber = subscribe();
      subscriber.on('message', wake);
      await subscriber.subscribe(keys.channel);
    },
  };
}

/** An owner's entry is "<until ms> <owner>". */
function isLeased(owner: string | null | undefined, nowMs: number): boolean {
  return owner ? Number.parseInt(owner, 10) > nowMs : false;
}
