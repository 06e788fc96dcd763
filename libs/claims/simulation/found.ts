import type { Schedule } from './schedule.ts';

const setting = { apis: 1, workers: 1, amounts: [1, 1], limits: [1, 1] };
const claim = { do: 'claim', coupon: 0, api: 0, waits: false } as const;

/** Sales that once broke a promise, as they were shrunk. */
export const found: [what: string, schedule: Schedule][] = [
  [
    'an outcome that went unheard while the connection was away is read from Postgres',
    {
      ...setting,
      ...{ seed: 0, isShared: false, apis: 2 },
      steps: [
        { do: 'deafen', api: 0, ms: 2500, restMs: 0, how: 'cut' },
        { ...claim, restMs: 20, people: [0] },
      ],
    },
  ],
  [
    'a holder who is heard of during a load is told already_claimed',
    {
      ...setting,
      ...{ seed: 492_688, isShared: false, apis: 3, workers: 2 },
      steps: [
        { ...claim, api: 1, restMs: 20, people: [1] },
        { ...claim, restMs: 20, people: [0] },
        { ...claim, restMs: 20, people: [0] },
        { ...claim, restMs: 2500, people: [1, 0] },
      ],
    },
  ],
  [
    'nobody is refused by a coupon that has changed and cannot be read',
    {
      ...setting,
      ...{ seed: 0, isShared: false },
      steps: [
        ...[20, 20].map(restMs => ({ ...claim, restMs, people: [0] })),
        { do: 'kill', side: 'working', nth: 0, ms: 5, restMs: 3 },
        ...[5, 2].map(restMs => ({ ...claim, restMs, people: [0] })),
        { do: 'outage', ms: 5, restMs: 0, store: 'postgres' },
        { do: 'hand', coupon: 0, change: { to: 'raise', by: 1 }, restMs: 0 },
        { ...claim, restMs: 0, people: [1] },
        { do: 'hand', coupon: 0, change: { to: 'raise', by: 1 }, restMs: 0 },
        { do: 'outage', ms: 5, restMs: 0, store: 'redis' },
        { do: 'fault', side: 'accepting', restMs: 20, ms: 5, call: 'gate.admit', what: 'crash before' },
      ],
    },
  ],
  [
    'a lane is wanted again when the store was emptied between a want and its job',
    {
      ...setting,
      ...{ seed: 60_145, isShared: true },
      steps: [
        { ...claim, restMs: 2500, people: [0] },
        { ...claim, coupon: 1, restMs: 20, people: [0] },
        { do: 'empty', restMs: 20, what: 'redis' },
        { do: 'hand', coupon: 0, change: { to: 'open' }, restMs: 0 },
        { ...claim, restMs: 20, people: [5] },
      ],
    },
  ],
];
