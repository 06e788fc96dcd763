/* One person many times at once, on a coupon of its own: one grant, and everybody else already claimed. */
import exec from 'k6/execution';
import {
  awaitTicket,
  bodyOf,
  claimAtOnce,
  claimSimplyAtOnce,
  createCoupon,
  type Ticket,
} from './parts/calls.ts';
import { type ClaimAnswer, countClaim } from './parts/claim-answer.ts';
import { arrivals, tickets } from './parts/counts.ts';
import { checkCoupon } from './parts/exact.ts';
import { onlyTicketOf } from './parts/only-ticket.ts';
import { buildOptions } from './parts/options.ts';
import { summarizeAs } from './parts/report.ts';
import { closeSale, openSale, type Sale } from './parts/sale.ts';
import { readSettings } from './parts/settings.ts';

const { people, repeats, units, ...settings } = readSettings('double-dip');

const FORMS = 2;

export const options = buildOptions({
  ...settings,
  // One after the other: it is the requests of one person that must meet.
  scenarios: { rounds: { executor: 'shared-iterations', vus: 1, iterations: people, maxDuration: '1h' } },
  arrivals: people,
  possible: ['admitted', 'joined', 'granted', 'already_claimed'],
  coupons: people * FORMS,
  batch: repeats,
});

export function setup(): Sale {
  return openSale('double-dip', settings.warmUp, []);
}

export default function dip({ run }: Sale): void {
  const turn = exec.scenario.iterationInTest;
  dipSimply(`${run}-${turn}`, turn);
  dipByTicket(`${run}-${turn}-ticket`, turn);
  arrivals.add(1);
}

/** The simple form: one request is granted, all others are told that the person has it already. */
function dipSimply(name: string, turn: number): void {
  createCoupon(name, units);
  const answers = claimSimplyAtOnce(turn, name, Array(repeats).fill(name)).map(countClaim);
  const count = (wanted: ClaimAnswer['said']) => answers.filter(({ said }) => said === wanted).length;
  const faults: string[] = [];
  if (count('granted') !== 1) faults.push(`${count('granted')} requests were granted`);
  if (count('already_claimed') !== repeats - 1)
    faults.push(`${count('already_claimed')} requests were told already_claimed`);
  checkCoupon(name, { name, amount: units, granted: 1, told: false }, faults);
}

/** The form with tickets: all get the same one, and it is granted. */
function dipByTicket(name: string, turn: number): void {
  createCoupon(name, units);
  const answers = claimAtOnce(turn, name, Array(repeats).fill(name)).map(countClaim);
  const { ticket, faults } = onlyTicketOf(answers);
  const outcome = ticket ? bodyOf<Ticket>(awaitTicket(turn, ticket))?.status : 'no ticket';
  if (outcome === 'granted') tickets.granted.add(1);
  else faults.push(`the ticket is ${outcome}`);
  checkCoupon(name, { name, amount: units, granted: 1, told: false }, faults);
}

export const teardown = closeSale;
export const handleSummary = summarizeAs('double-dip');
