import { setTimeout as delay } from 'node:timers/promises';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';

const hourMs = 3_600_000;
const untilStartMs = 2_000;
const openForMs = 3_000;
const marginMs = 300;
/** How exactly an API knows the clock of the database. */
const slackMs = 50;
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
    const { stack, sized } = arena;
    const crowd = await arena.crowd();
    for (let round = 0; round < sized(1, 1, 6); round++)
      await Promise.all(stack.apis.map((_, index) => seeWindow(arena, index)));
    await crowd.seeOut();
  },
};

/** A sale begins and ends to the moment, whatever the API takes for the time. */
async function seeWindow({ stack, injected, finding }: Arena, index: number): Promise<void> {
  injected(`a window seen by API ${index}`);
  const client = stack.client([stack.apis[index]!]);
  const startsMs = Date.now() + untilStartMs;
  const endsMs = startsMs + openForMs;
  const name = `window ${index} ${startsMs}`;
  await client.create(name, 100, {
    starts_at: new Date(startsMs).toISOString(),
    ends_at: new Date(endsMs).toISOString(),
  });
  /** What is right at a moment: only what the answer may have been given at counts. */
  const rightAt = (ms: number) => (ms < startsMs ? 'not_started' : ms < endsMs ? 'accepted' : 'ended');
  for (const askMs of [startsMs - marginMs, startsMs + marginMs, endsMs - marginMs, endsMs + marginMs]) {
    await delay(askMs - Date.now());
    const sentMs = Date.now();
    const { status, body } = await client.join(name, `at ${askMs}`);
    const said = status === 202 ? 'accepted' : String(body.code);
    const right = [rightAt(sentMs - slackMs), rightAt(Date.now() + slackMs)];
    if (!right.includes(said)) finding(`API ${index} said ${said} where "${right}" was right`);
    const isOff = Math.abs(Date.parse(String(body.created_at)) - Date.now()) > createdWithinMs;
    if (status === 202 && isOff) finding(`API ${index} says a ticket was created at ${body.created_at}`);
  }
}

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
