import type { Verdict } from '@claimline/db/checks';
import type { Sql } from '@claimline/db/pool';
import type { Engine } from '@claimline/queue/engine';
import type { gateInvariants } from './drift.ts';
import { forgetAtGate } from './repairs.ts';
import { openStores } from './verify.ts';

/** What makes a gate refuse whom the table would let have a unit. */
const mended = ['gate-agrees-with-table', 'gate-holders-hold'] satisfies (keyof typeof gateInvariants)[];

/**
 * Lets the gate forget the coupons that a verification has shown to be wrong in it, as after a restore of the database;
 * answers how many. Of each kind only as many as are shown: the next verification shows the others.
 */
export async function mendGates(house: { sql: Sql; engine: Engine }, verdicts: Verdict[]): Promise<number> {
  const stores = openStores(house);
  const rows = verdicts.filter(one => mended.some(name => name === one.name)).flatMap(one => one.rows);
  let forgotten = 0;
  for (const id of new Set((rows as { coupon_id: string }[]).map(row => row.coupon_id)))
    if (await forgetAtGate(stores, id)) forgotten++;
  return forgotten;
}
