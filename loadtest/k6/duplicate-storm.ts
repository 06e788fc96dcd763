/* Many clients, each sending the same person many times at once, round after round: one ticket and grant each. */
import { arrive, openModel } from './parts/arrivals.ts';
import { claimAtOnce } from './parts/calls.ts';
import { countClaim } from './parts/claim-answer.ts';
import { coupons } from './parts/counts.ts';
import { onlyTicketOf } from './parts/only-ticket.ts';
import { buildOptions } from './parts/options.ts';
import { summarizeAs } from './parts/report.ts';
import { closeSale, openSale, type Sale, tellGrant } from './parts/sale.ts';
import { readSettings } from './parts/settings.ts';

const { clients, repeats, rounds, roundMs, ...settings } = readSettings('duplicate-storm');
const people = clients * rounds;

export const options = buildOptions({
  ...settings,
  scenarios: openModel({
    rate: Math.round((clients * 1000) / roundMs),
    count: people,
    connections: settings.connections,
  }),
  arrivals: people,
  possible: ['admitted', 'joined', 'already_claimed'],
  coupons: 1,
  batch: repeats,
});

export function setup(): Sale {
  return openSale('duplicate-storm', settings.warmUp, [{ amount: people, granted: null, told: true }]);
}

export default function storm({ run }: Sale): void {
  const turn = arrive(people);
  if (turn === null) return;
  const answers = claimAtOnce(turn, run, Array(repeats).fill(`${run}-${turn}`));
  const { ticket, faults } = onlyTicketOf(answers.map(countClaim));
  if (ticket) tellGrant();
  if (faults.length > 0) coupons.wrong.add(1);
  for (const fault of faults) console.error(`${run}-${turn}: ${fault}`);
}

export const teardown = closeSale;
export const handleSummary = summarizeAs('duplicate-storm');
