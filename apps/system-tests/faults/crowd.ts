import { setTimeout as delay } from 'node:timers/promises';
import { awaitUntil } from '../await-until.ts';
import { openClient } from '../claim-client.ts';
import type { Arena } from './arena.ts';
import { complaintAbout } from './check-answers.ts';
import { checkTables } from './check-tables.ts';
import { openLine } from './line.ts';
import { newPerson, type Person } from './person.ts';
import { openRecord } from './record.ts';
import { openSale, type Sale, settledAgain } from './sale.ts';
import { sellOut } from './sell-out.ts';

/** More than will ever come to a long sale. */
const longAmount = 1_000_000;
const shortAmount = 30;
const shortComers = 40;
/** Every so manieth person sends the claim twice at once. */
const twinEvery = 20;
/** Every so manieth person goes to the short sale of the moment. */
const shortEvery = 3;
const tickMs = 10;
const askingMost = 400;
const retrySaleMs = 300;
const decidedWithinMs = 60_000;

export interface CrowdOptions {
  /** Long sales, which go on under the fault: 1 when left out. */
  sales?: number;
  /** People who come in a second, whatever the answers are. */
  perSecond?: number;
  /** Whether short sales of 30 units follow one another, each wanted by 40, every other with a book of codes. */
  hasShort?: boolean;
}

/** People who come and claim while something is broken. */
export interface Crowd {
  sales: Sale[];
  /** How many have been told 202 until now. */
  accepted(): number;
  /** How many answers had that status; 0 stands for none. */
  answers(status: number): number;
  /** Everybody who has come. */
  people: readonly Person[];
  /** Awaits the next settlement after a kill or heal at `sinceMs` (Unix time) and notes how long it took. */
  recovers(sinceMs: number, sale?: Sale): Promise<void>;
  /** Awaits, while people go on coming, that everybody who is in line now hears of an outcome (P3). */
  decidesMeanwhile(): Promise<void>;
  /**
   * The fault has healed: nobody comes any more, everybody hears of an outcome within 60 s (P3), latecomers
   * buy what is left, and what was told and what is in the tables agree.
   * @param mayLosePlaces whether tickets may read 410
   */
  seeOut(mayLosePlaces?: boolean): Promise<void>;
  /** Nobody comes or asks any more. */
  leave(): Promise<void>;
}

/** Opens the sales, lets people come at a pace, and waits until each sale has settled something. */
export async function openCrowd(arena: Arena, options: CrowdOptions): Promise<Crowd> {
  const { stack } = arena;
  const isRedis = stack.engine === 'redis';
  const { sales: count = 1, perSecond = isRedis ? 200 : 25, hasShort = true } = options;
  const client = openClient(stack.apis);
  const record = openRecord();
  const line = openLine(arena, record);
  const people: Person[] = [];
  const shortSales: Sale[] = [];
  let short: Sale | 'opening' | undefined;
  let isOver = false;

  const sales: Sale[] = [];
  while (sales.length < count) {
    const sale = await openSale(arena, client, { amount: longAmount, isShort: false });
    if (!sale) throw new Error('a sale could not be opened');
    sales.push(sale);
  }

  async function openShort(): Promise<void> {
    short = 'opening';
    const hasBook = shortSales.length % 2 === 1;
    const wanted = { amount: shortAmount, isShort: true, hasBook };
    // Nothing was answered, or Postgres is away; what was answered is looked at in the end.
    const opened = await openSale(arena, client, wanted).catch(() => undefined);
    if (opened) shortSales.push(opened);
    else await delay(retrySaleMs);
    short = opened;
  }

  function nextSale(): Sale {
    if (hasShort && people.length % shortEvery === 0) {
      if (short === undefined) void openShort();
      else if (short !== 'opening') {
        const sale = short;
        if (sale.came + 1 === shortComers) short = undefined;
        return sale;
      }
    }
    return sales[people.length % sales.length]!;
  }

  function come(): void {
    const sale = nextSale();
    sale.came += 1;
    const user = `person-${people.length}`;
    const isTwin = people.length % twinEvery === 0;
    for (let twin = 0; twin < (isTwin ? 2 : 1); twin++) {
      const person = newPerson(user, sale);
      people.push(person);
      void line.claim(person);
    }
  }

  async function arrive(): Promise<void> {
    let dueMs = performance.now();
    while (!isOver) {
      const nowMs = performance.now();
      // Who would come while hundreds wait for an answer stays away.
      if (line.asking >= askingMost) dueMs = nowMs;
      for (; dueMs <= nowMs; dueMs += 1000 / perSecond) come();
      await delay(tickMs);
    }
  }

  /** Whoever of these is undecided after the time is a finding. */
  async function decide(these: () => Person[]): Promise<void> {
    const undecided = () => these().filter(person => !person.told);
    await awaitUntil('everybody to be told', () => undecided().length === 0, decidedWithinMs).catch(() => {});
    const left = undecided();
    if (left.length === 0) return;
    const [first] = left as [Person];
    arena.finding(
      `${left.length} undecided after ${decidedWithinMs / 1000} s, ${first.user} of "${first.sale.name}": ${record.of(first.user)}`,
    );
  }

  const arriving = arrive();
  async function leave(): Promise<void> {
    isOver = true;
    await arriving;
    await line.close();
  }
  await Promise.all(sales.map(sale => settledAgain(stack, sale, 0))).catch(async error => {
    await leave();
    throw new Error('the crowd did not get going', { cause: error });
  });
  return {
    sales,
    people,
    leave,
    accepted: () => line.accepted,
    answers: status => record.count(status),
    async recovers(sinceMs, sale = sales[0]!) {
      arena.recovered(await settledAgain(stack, sale, sinceMs));
    },
    async decidesMeanwhile() {
      const inLine = line.waiting();
      await decide(() => inLine);
    },
    async seeOut(mayLosePlaces = false) {
      isOver = true;
      await arriving;
      await decide(() => people);
      await sellOut(arena, client, [...sales, ...shortSales]);
      await leave();
      arena.row.attempts += record.claims;
      if (arena.row.lostPlaces > 0 && !mayLosePlaces) {
        const lost = people.find(person => person.lost > 0);
        arena.finding(`places were lost, that of ${lost?.user}: ${record.of(lost?.user ?? '')}`);
      }
      for (const answer of client.history) {
        const complaint = complaintAbout(answer);
        if (complaint !== undefined) arena.finding(`${answer.method} ${answer.path} ${complaint}`);
      }
      await checkTables(arena, [...sales, ...shortSales], people, isRedis && !mayLosePlaces);
    },
  };
}
