import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import { metrics } from '@claimline/telemetry/metrics';
import { jobIdOf } from '@claimline/tickets/ticket';
import { type Gate, gateLimits, type InLine } from './gate.ts';
import type { JobClaim, JobData } from './job.ts';
import { laneOf } from './lane-name.ts';
import { claimsOf, decidedAmong, listInLine } from './load-gate.ts';

export const mendLimits = {
  /** The oldest jobs of each state, among which the head of the line is. */
  headJobs: 64,
  /** Places mended at once; the next round goes on. */
  placesMost: 20_000,
  /** Claims in a job that is added again. */
  seats: 500,
} as const;

type House = { engine: Engine; gate: Gate; sql: Sql };

/** Places in line that lead nowhere. */
export type LostPlaces = {
  /** The ticket is decided, and the gate was not told. */
  decided: InLine[];
  /** No job carries the ticket. */
  jobless: InLine[];
};

/**
 * Finds places in line that lead nowhere. Cheap where nobody waits for long, and where the line is deep
 * but moves: the lane takes its jobs in order, so only places before the head of the queue are suspect.
 * In mid-sale a place that is just being decided, or whose job has overtaken, may be among them.
 *
 * @param olderThanMs younger places are not looked at
 */
export async function findLostPlaces(
  house: House,
  couponId: string,
  olderThanMs: number = gateLimits.orphanMs,
): Promise<LostPlaces> {
  const { engine, gate, sql } = house;
  const suspects = await findSuspects(house, couponId, olderThanMs);
  if (suspects.length === 0) return { decided: [], jobless: [] };
  // First the queue, then the tables: who has left the queue by then is decided.
  const { inLine, isComplete } = await listInLine(engine, couponId);
  const queued = new Set(inLine.map(one => one.ticket));
  const decided = await decidedAmong(
    sql,
    suspects.map(one => one.ticket),
  );
  const canTell = isComplete || gate.isShared;
  return {
    decided: suspects.filter(one => decided.has(one.ticket)),
    jobless: suspects.filter(one => canTell && !decided.has(one.ticket) && !queued.has(one.ticket)),
  };
}

async function findSuspects(
  { engine, gate }: House,
  couponId: string,
  olderThanMs: number,
): Promise<InLine[]> {
  const old = { olderThanMs, most: mendLimits.placesMost };
  const [any] = await gate.places(couponId, { ...old, most: 1 });
  if (!any) return [];
  const belowLine = gate.isShared ? await headOf(engine, couponId) : undefined;
  const places = await gate.places(couponId, belowLine === undefined ? old : { ...old, belowLine });
  const byTicket = new Map(places.map(place => [place.ticket, place]));
  return [...byTicket.values()].sort((a, b) => a.line - b.line).slice(0, mendLimits.placesMost);
}

/** The lowest number in the queue, undefined when there is nobody. */
async function headOf(engine: Engine, couponId: string): Promise<number | undefined> {
  const { jobs } = await engine.listUndecided(laneOf(couponId), mendLimits.headJobs);
  const lines = claimsOf(jobs, couponId).map(one => one.line);
  return lines.length > 0 ? Math.min(...lines) : undefined;
}

/**
 * Mends a line: a place whose job was never added, or was lost, gets a job again, so that its ticket comes
 * to an outcome; one that is decided is taken out. Safe at any time and in several processes at once: a
 * ticket that is in two jobs is decided once. What a job carries beside the person and the ticket, a
 * claim's metadata and its callback address, is lost with the process that had it.
 */
export async function mendLine(house: House, couponId: string): Promise<{ takenOut: number; added: number }> {
  const { engine, gate, sql } = house;
  const { decided, jobless } = await findLostPlaces(house, couponId);
  if (decided.length > 0) await gate.giveBack(couponId, decided);
  if (jobless.length > 0) {
    const [coupon] = await sql<{ name: string }[]>`select name from coupons where id = ${couponId}`;
    await addAgain(engine, { id: couponId, name: coupon?.name ?? '' }, jobless);
  }
  metrics.repairs.inc({ what: 'place taken out' }, decided.length);
  metrics.repairs.inc({ what: 'job added again' }, jobless.length);
  return { takenOut: decided.length, added: jobless.length };
}

/**
 * Before all that wait: that is their place in line, and behind 25,000 jobs they would be found to be without a job again
 * and again, since no round looks at so many.
 */
async function addAgain(engine: Engine, coupon: { id: string; name: string }, places: InLine[]) {
  const lane = laneOf(coupon.id);
  await engine.roster.want(lane, coupon.name);
  const from = Array.from(
    { length: Math.ceil(places.length / mendLimits.seats) },
    (_, i) => i * mendLimits.seats,
  );
  // From the last to the first, since each goes before the one that was added before it.
  for (const at of from.reverse()) {
    const claims = places
      .slice(at, at + mendLimits.seats)
      .map(({ ticket, userId, line }): JobClaim => [ticket, userId, line]);
    const [ticket, userId] = claims[0] as JobClaim;
    const data: JobData = { coupon: coupon.id, name: coupon.name, claims };
    // Another id than its first job's, and none that was added before: a job that is kept as failed would make this add nothing.
    const id = `again.${jobIdOf(userId, ticket)}`;
    await engine.remove(lane, id);
    await engine.add(lane, { id, name: coupon.name, data, isFirst: true });
  }
}

/** Whether a lane may close: it has no job, and nobody is in line, or is found to be without a job. */
export async function isLineDone(house: House, couponId: string): Promise<boolean> {
  if ((await house.engine.countUndecided(laneOf(couponId))) > 0) return false;
  const { added } = await mendLine(house, couponId);
  return added === 0 && (await house.gate.readLine(couponId)).inLine === 0;
}
