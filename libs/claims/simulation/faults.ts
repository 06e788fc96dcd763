import type { Side } from './process.ts';

export const faultKinds = [
  ...(['crash before', 'crash after'] as const),
  ...(['request lost', 'answer lost'] as const),
  ...(['slow request', 'slow answer'] as const),
];

/** What happens around the next call of that name from that side. */
export type Fault = { side: Side; call: string; what: (typeof faultKinds)[number]; ms: number };

/** Faults that lie in wait, each for one call. */
export function createFaults() {
  let armed: Fault[] = [];
  return {
    arm(fault: Fault) {
      armed.push(fault);
    },
    /** The fault that this call runs into, once. */
    take(side: Side, call: string): Fault | undefined {
      const index = armed.findIndex(fault => fault.side === side && fault.call === call);
      return index < 0 ? undefined : armed.splice(index, 1)[0];
    },
    disarm() {
      armed = [];
    },
  };
}

export type Faults = ReturnType<typeof createFaults>;
