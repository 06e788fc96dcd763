import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from './fault.ts';

const hourMs = 3_600_000;
const untilStartMs = 2_000;
const openForMs = 3_000;
const marginMs = 300;
const createdWithinMs = 60_000;

/** An API an hour ahead, the other an hour behind, and the workers likewise. */
export const wrongClocks: Fault = {
  id: 'F12',
  title: 'clocks of APIs and workers off by an hour',
  stack: () => ({
    apis: 2,
    workers: 2,
    envOf: (_, index) => ({ NODE_OPTIONS: `--import=${shiftedClock(index % 2 === 0 ? hourMs : -hourMs)}` }),
  }),
  async run(arena) {
    const { stack, sized, injected, finding } = arena;
    const crowd = await arena.crowd();
    for (let round = 0; round < sized(1, 2, 6); round++)
      for (const [index, api] of stack.apis.entries()) {
        injected(`a window seen by API ${index}`);
        const client = stack.client([api]);
        const name = `window ${index} ${round} ${Date.now()}`;
        const startsMs = Date.now() + untilStartMs;
        const endsMs = startsMs + openForMs;
        await client.create(name, 100, {
          starts_at: new Date(startsMs).toISOString(),
          ends_at: new Date(endsMs).toISOString(),
        });
        const expect = async (atMs: number, told: string) => {
          await delay(atMs - Date.now());
          const { status, body } = await client.join(name, `at ${atMs}`);
          if (told !== (status === 202 ? 'accepted' : body.code))
            finding(`API ${index} answered ${status} ${body.code} where "${told}" was right`);
          const createdAtMs = Date.parse(String(body.created_at));
          if (status === 202 && Math.abs(createdAtMs - Date.now()) > createdWithinMs)
            finding(`API ${index} says a ticket was created at ${body.created_at}`);
        };
        await expect(startsMs - marginMs, 'not_started');
        await expect(startsMs + marginMs, 'accepted');
        await expect(endsMs - marginMs, 'accepted');
        await expect(endsMs + marginMs, 'ended');
      }
    await crowd.seeOut();
  },
};

/** A module that shifts what the process takes for the time of day; what is measured from a start is not changed. */
function shiftedClock(byMs: number): string {
  const module = `
    const RealDate = Date;
    globalThis.Date = class Date extends RealDate {
      constructor(...args) { args.length === 0 ? super(RealDate.now() + ${byMs}) : super(...args); }
      static now() { return RealDate.now() + ${byMs}; }
    };`;
  return `data:text/javascript,${encodeURIComponent(module)}`;
}
