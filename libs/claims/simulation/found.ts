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
