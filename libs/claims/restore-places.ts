import { metrics } from '@claimline/telemetry/metrics';
import type { Stores } from './drift.ts';
import type { InLine } from './gate.ts';
import { decidedAmong, listInLine } from './load-gate.ts';

/**
 * Gives the places in line back to undecided claims that are in a job and have none: where a part of Redis was lost,
 * and the queue was not. They kept their turn in the queue; with the place its person is told of the same ticket again
 * instead of getting another. Answers how many. Safe in mid-sale: whoever is decided meanwhile leaves the line again.
 */
export async function restorePlaces({ engine, gate, probe, sql }: Stores, couponId: string): Promise<number> {
  if (!probe) return 0;
  const { inLine } = await listInLine(engine, couponId);
  const placeless = new Set(await probe.placeless(couponId, ticketsOf(inLine)));
  const without = inLine.filter(one => placeless.has(one.ticket));
  const decided = await decidedAmong(sql, ticketsOf(without));
  const open = without.filter(one => !decided.has(one.ticket));
  const restored = await probe.restore(couponId, open);
  // The gate may have been told of these before they had a place, and is not told again.
  const decidedSince = await decidedAmong(sql, ticketsOf(open));
  const late = open.filter(one => decidedSince.has(one.ticket));
  if (late.length > 0) await gate.giveBack(couponId, late);
  metrics.repairs.inc({ what: 'place given back' }, restored);
  return restored;
}

const ticketsOf = (inLine: InLine[]) => inLine.map(one => one.ticket);
