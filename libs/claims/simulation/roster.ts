import type { Roster } from '@claimline/queue/roster';
import { nowMs } from './clock.ts';
import type { SimulatedProcess, Store } from './process.ts';

/** The one kind of lanes that there is here. */
const CLAIMS = 'claims';

/** A model of the roster (queue/roster/*.lua): which lanes are wanted, and who has them open. */
export function createRosterModel() {
  const wanted = new Map<string, number>();
  const owners = new Map<string, { owner: string; untilMs: number }>();
  const wakes = new Set<() => void>();
  const wake = () => {
    for (const fn of wakes) setTimeout(fn, 1);
  };
  const isLeased = (lane: string) => (owners.get(lane)?.untilMs ?? 0) > nowMs();

  const model = {
    want(lane: string) {
      wanted.delete(lane);
      wanted.set(lane, nowMs());
      if (!isLeased(lane)) wake();
    },
    take(
      owner: string,
      leaseMs: number,
      most: number,
      open: ReadonlyMap<string, number> = new Map(),
    ): string[] {
      const room = Math.max(0, most - (open.get(CLAIMS) ?? 0));
      const free = [...wanted.keys()].filter(lane => !isLeased(lane)).slice(0, room);
      for (const lane of free) owners.set(lane, { owner, untilMs: nowMs() + leaseMs });
      return free;
    },
    renew(owner: string, leaseMs: number, lanes: string[]): string[] {
      const isOwn = (lane: string) => owners.get(lane)?.owner === owner;
      for (const lane of lanes) if (isOwn(lane)) owners.set(lane, { owner, untilMs: nowMs() + leaseMs });
      return lanes.filter(lane => !isOwn(lane));
    },
    leave(owner: string, lane: string, quietMs: number): boolean {
      if (owners.get(lane)?.owner !== owner) return true;
      if ((wanted.get(lane) ?? Number.NEGATIVE_INFINITY) > nowMs() - quietMs) return false;
      wanted.delete(lane);
      owners.delete(lane);
      return true;
    },
    handOver(owner: string, lanes: string[]) {
      for (const lane of lanes) if (owners.get(lane)?.owner === owner) owners.delete(lane);
      wake();
    },
  };
  return {
    clear() {
      wanted.clear();
      owners.clear();
    },
    /** As the board does for an operator. */
    want: model.want,
    /** The roster as a process has it, with the network in between. */
    portOf(process: SimulatedProcess, store: Store): Roster {
      return {
        want: lane => process.call(store, 'roster.want', () => model.want(lane)),
        take: (...args) => process.call(store, 'roster.take', () => model.take(...args)),
        renew: (...args) => process.call(store, 'roster.renew', () => model.renew(...args)),
        leave: (...args) => process.call(store, 'roster.leave', () => model.leave(...args)),
        handOver: (...args) => process.call(store, 'roster.handOver', () => model.handOver(...args)),
        list: async () => [],
        look: async () => [],
        async onWanted(fn) {
          const hear = () => void process.running().then(() => fn());
          wakes.add(hear);
          process.onKilled(() => wakes.delete(hear));
        },
      };
    },
  };
}
