import { readFileSync } from 'node:fs';
import type { Scripts } from './engine.ts';
import type { RedisClient } from './redis-connection.ts';
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
export function createRedisRoster(
  redis: RedisClient,
  scripts: Scripts,
  openSubscriber: () => RedisClient,
): Roster {
  const read = (verb: string) => readFileSync(new URL(`./roster/${verb}.lua`, import.meta.url), 'utf8');
  const want = scripts.load('rosterWant', read('want'));
  const take = scripts.load('rosterTake', read('take'));
  const renew = scripts.load('rosterRenew', read('renew'));
  const leave = scripts.load('rosterLeave', read('leave'));
  const lookAt = scripts.load('rosterLook', read('look'));

  async function look(lanes: string[]): Promise<ListedLane[]> {
    if (lanes.length === 0) return [];
    const found = (await lookAt([keys.wanted, keys.owners, keys.labels], lanes)) as (string | number)[];
    return lanes.map((lane, i) => {
      const [label, isOpen, isWanted] = found.slice(3 * i, 3 * i + 3);
      return { lane, label: (label as string) || lane, open: isOpen === 1, wanted: isWanted === 1 };
    });
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
      const subscriber = openSubscriber();
      subscriber.on('message', (_channel, lane) => wake(lane));
      await subscriber.subscribe(keys.channel);
    },
  };
}
