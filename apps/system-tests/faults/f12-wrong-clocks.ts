import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../answers.ts';
import { type ClaimClient, couponPath } from '../claim-client.ts';
import type { Arena } from './arena.ts';
import type { Fault } from './fault.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const untilStartMs = 2_000;
const openForMs = 3_000;
/** How long a lock and a reservation hold. */
const ttlSeconds = 3;
const marginMs = 300;
/** How exactly an API knows the clock of the database. */
const slackMs = 50;
const createdWithinMs = 60_000;
const waitSeconds = 20;
const waits = { prefer: `wait=${waitSeconds}` };

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
      await Promise.all(
        stack.apis.flatMap((api, index) =>
          [seeWindow, seeLock, seeHold].map(see => see(clockOf(arena, index), stack.client([api]))),
        ),
      );
    await crowd.seeOut();
  },
};

/** An API with a wrong clock, which answers nevertheless what is right. */
interface Clock extends Arena {
  index: number;
  /** Where an answer was right neither when its request was sent nor when it came, that is a finding. */
  askAt(
    moment: number,
    ask: () => Promise<Answer>,
    rightAt: (ms: number) => 'yes' | string,
  ): Promise<Answer & { isYes: boolean }>;
}

function clockOf(arena: Arena, index: number): Clock {
  return {
    ...arena,
    index,
    async askAt(moment, ask, rightAt) {
      await delay(moment - Date.now());
      const sentMs = Date.now();
      const answer = await ask();
      const isYes = answer.status < 300;
      const said = isYes ? 'yes' : String(answer.body.code);
      const right = [rightAt(sentMs - slackMs), rightAt(Date.now() + slackMs)];
      if (!right.includes(said))
        arena.finding(
          `API ${index} said ${said} to ${answer.path} where "${right}" was right: ${answer.text}`,
        );
      return { ...answer, isYes };
    },
  };
}

/** A sale begins and ends to the moment, whatever the API and the worker take for the time. */
async function seeWindow(clock: Clock, client: ClaimClient): Promise<void> {
  const { injected, finding, index, askAt } = clock;
  injected(`a window seen by API ${index}`);
  const startsMs = Date.now() + untilStartMs;
  const endsMs = startsMs + openForMs;
  const name = `window ${index} ${startsMs}`;
  await client.create(name, 100, {
    starts_at: new Date(startsMs).toISOString(),
    ends_at: new Date(endsMs).toISOString(),
  });
  const rightAt = (ms: number) => (ms < startsMs ? 'not_started' : ms < endsMs ? 'yes' : 'ended');
  const tickets: string[] = [];
  for (const askMs of [startsMs - marginMs, startsMs + marginMs, endsMs - marginMs, endsMs + marginMs]) {
    const { isYes, body } = await askAt(askMs, () => client.join(name, `at ${askMs}`), rightAt);
    if (!isYes) continue;
    tickets.push(body.ticket!);
    const isOff = Math.abs(Date.parse(String(body.created_at)) - Date.now()) > createdWithinMs;
    if (isOff) finding(`API ${index} says a ticket was created at ${body.created_at}`);
  }
  for (const ticket of tickets) {
    const { body, text } = await client.ticket(ticket, waitSeconds);
    // Settled by the database's clock: who came in time and is settled after the end is refused.
    const decidedMs = Date.parse(String(body.decided_at));
    const right = rightAt(decidedMs) === 'yes' ? 'granted' : rightAt(decidedMs);
    if ((body.reason ?? body.status) !== right)
      finding(`a claim in a window from ${startsMs} to ${endsMs} became ${text}, ${right} was right`);
  }
}

/** A lock ends to the moment. */
async function seeLock(clock: Clock, client: ClaimClient): Promise<void> {
  const { injected, index } = clock;
  injected(`a lock seen by API ${index}`);
  const name = `lock ${index} ${Date.now()}`;
  await client.create(name, 1);
  await client.post(`${couponPath(name)}/codes/generate`, { quantity: 1 });
  const granted = await client.post(`${couponPath(name)}/claims`, { user_id: 'ann' }, waits);
  const lock = (session_id: string) =>
    client.post(`/api/codes/${granted.body.claim?.code}/lock`, {
      ...{ user_id: 'ann', session_id, ttl_seconds: ttlSeconds },
    });
  await seeEnd(
    clock,
    () => lock('one'),
    'locked_until',
    () => lock('other'),
    'code_locked',
  );
}

/** A reservation ends to the moment. */
async function seeHold(clock: Clock, client: ClaimClient): Promise<void> {
  const { injected, index } = clock;
  injected(`a reservation seen by API ${index}`);
  const { body } = await client.post('/api/events', {
    name: `hold ${index}`,
    starts_at: new Date(Date.now() + dayMs).toISOString(),
    reservation_ttl_seconds: ttlSeconds,
  });
  const event = `/api/events/${body.id}`;
  await client.post(`${event}/seats`, { seats: [{ number: '1', price: 1, currency: 'EUR' }] });
  const reserve = (user_id: string) =>
    client.post(`${event}/reservations`, { user_id, seats: [{ number: '1' }] }, waits);
  await seeEnd(
    clock,
    () => reserve('ann'),
    'expires_at',
    () => reserve('bob'),
    'seat_taken',
  );
}

/** What the first one takes is refused to the other until the time that the answer says, and not after that. */
async function seeEnd(
  { askAt, index, finding }: Clock,
  take: () => Promise<Answer>,
  end: 'locked_until' | 'expires_at',
  takeToo: () => Promise<Answer>,
  refusal: string,
): Promise<void> {
  const taken = await askAt(Date.now(), take, () => 'yes');
  const endsMs = Date.parse(String(taken.body[end]));
  const offMs = endsMs - Date.now() - ttlSeconds * 1000;
  if (!(offMs < slackMs && offMs > -taken.tookMs - slackMs))
    finding(`API ${index} gave ${ttlSeconds} s until a moment that is ${offMs} ms off: ${taken.text}`);
  const rightAt = (ms: number) => (ms < endsMs ? refusal : 'yes');
  for (const askMs of [endsMs - marginMs, endsMs + marginMs]) await askAt(askMs, takeToo, rightAt);
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
