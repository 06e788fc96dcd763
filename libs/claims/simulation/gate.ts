import type { Gate } from '../gate.ts';
import { createLocalGate } from '../gate-local.ts';
import type { SimulatedProcess, Store } from './process.ts';

/** One gate for all processes, as in Redis: the local one's memory, which can be lost. */
export function createSharedGate() {
  let memory = createLocalGate();
  /** Tickets whose place was given back because their job could not be added. */
  const givenBack = new Set<string>();
  return {
    givenBack,
    clear() {
      memory = createLocalGate();
    },
    /** The gate as a process has it, with the network in between. */
    portOf(process: SimulatedProcess, store: Store): Gate {
      const call = <T>(name: string, effect: () => T | Promise<T>) =>
        process.call(store, `gate.${name}`, effect);
      return {
        isShared: true,
        admit: (...args) => call('admit', () => memory.admit(...args)),
        renew: coupon => call('renew', () => memory.renew(coupon)),
        load: (...args) => call('load', () => memory.load(...args)),
        settled: news => call('settled', () => memory.settled(news)),
        giveBack: (id, entries) =>
          call('giveBack', () => {
            for (const { ticket } of entries) givenBack.add(ticket);
            return memory.giveBack(id, entries);
          }),
        find: (...args) => call('find', () => memory.find(...args)),
        readLine: id => call('readLine', () => memory.readLine(id)),
        places: (...args) => call('places', () => memory.places(...args)),
        forgetAll() {},
        couponsInLine: () => [],
      };
    },
  };
}
