import type { Gate, Holder } from '../gate.ts';
import { createLocalGate } from '../gate-local.ts';
import type { SimulatedProcess, Store } from './process.ts';

/** One gate for all processes, as in Redis: the local one's memory, which can be lost. */
export function createSharedGate() {
  let memory = createLocalGate();
  return {
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
        async load(coupon, held, inLine) {
          const pages: Holder[][] = [];
          for await (const page of held) pages.push(page);
          await call('load', () => memory.load(coupon, inPages(pages), inLine));
        },
        settled: news => call('settled', () => memory.settled(news)),
        giveBack: (...args) => call('giveBack', () => memory.giveBack(...args)),
        find: (...args) => call('find', () => memory.find(...args)),
        readLine: id => call('readLine', () => memory.readLine(id)),
        sweep: (...args) => call('sweep', () => memory.sweep(...args)),
        forgetAll() {},
        couponsInLine: () => [],
      };
    },
  };
}

async function* inPages<Page>(pages: Page[]) {
  yield* pages;
}
