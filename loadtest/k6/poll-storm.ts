/* Tickets read until they are decided, by polling, by long poll and as a stream, and read again afterwards. */
import { sleep } from 'k6';
import { arrive, openModel } from './parts/arrivals.ts';
import {
  awaitTicket,
  bodyOf,
  claim,
  getTicket,
  type Response,
  streamTicket,
  type Ticket,
} from './parts/calls.ts';
import { countClaim } from './parts/claim-answer.ts';
import { outcomeLatency, tickets } from './parts/counts.ts';
import { buildOptions } from './parts/options.ts';
import { countRead } from './parts/read-answer.ts';
import { summarizeAs } from './parts/report.ts';
import { closeSale, openSale, type Sale, tellGrant } from './parts/sale.ts';
import { readSettings } from './parts/settings.ts';

const { people, units, pollMs, rereads, ...settings } = readSettings('poll-storm');

const limits = {
  /** A ticket that is undecided after this is counted as such. */
  outcomeMs: 60_000,
} as const;

export const options = buildOptions({
  ...settings,
  scenarios: openModel({ ...settings, count: people }),
  arrivals: people,
  possible: ['admitted', 'sold_out'],
  coupons: 1,
});

export function setup(): Sale {
  return openSale('poll-storm', settings.warmUp, [
    { amount: units, granted: Math.min(units, people), told: true },
  ]);
}

type Way = keyof typeof outcomeLatency;
const ways = ['poll', 'wait', 'stream'] as const;

export default function follow({ run }: Sale): void {
  const turn = arrive(people);
  if (turn === null) return;
  const claimedAtMs = Date.now();
  const { said, ticket } = countClaim(claim(turn, run, `${run}-${turn}`));
  if (said !== 'admitted' || !ticket) return;
  const way = ways[turn % ways.length]!;
  // The next API process in turn, which has heard of the ticket from the stores alone.
  const status = readOutcome(way, turn + 1, ticket, claimedAtMs + limits.outcomeMs);
  outcomeLatency[way].add(Date.now() - claimedAtMs);
  if (status === 'granted') tellGrant();
  tickets[status === 'granted' || status === 'refused' ? status : 'undecided'].add(1);
  readAgain(turn, ticket, status);
}

function readOutcome(
  way: Way,
  turn: number,
  ticket: string,
  deadlineMs: number,
): Ticket['status'] | undefined {
  if (way === 'stream') return lastStatusOf(countRead(streamTicket(turn, ticket)));
  const read = way === 'wait' ? awaitTicket : getTicket;
  for (;;) {
    const status = statusOf(countRead(read(turn, ticket)));
    if (status !== 'queued' || Date.now() > deadlineMs) return status;
    if (way === 'poll') sleep(pollMs / 1000);
  }
}

/** The outcome never changes: the second read says the same, and those after it that nothing has changed. */
function readAgain(turn: number, ticket: string, status: Ticket['status'] | undefined): void {
  let etag: string | undefined;
  for (let time = 0; time < rereads; time += 1) {
    const isSame = (response: Response) => response.status === 304 || statusOf(response) === status;
    const response = countRead(getTicket(turn + time, ticket, etag), etag ? [304] : [200], isSame);
    etag = response.headers.Etag;
  }
}

function statusOf(response: Response): Ticket['status'] | undefined {
  return bodyOf<Ticket>(response)?.status;
}

/** What the last event of a stream says. */
function lastStatusOf({ body }: Response): Ticket['status'] | undefined {
  const data = (body ?? '').split('\n').filter(line => line.startsWith('data: '));
  const last = data.at(-1)?.slice('data: '.length);
  return last === undefined ? undefined : (JSON.parse(last) as Ticket).status;
}

export const teardown = closeSale;
export const handleSummary = summarizeAs('poll-storm');
