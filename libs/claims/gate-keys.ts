import { readFileSync } from 'node:fs';
import type { Scripts } from '@claimline/queue/engine';
import { laneOf } from './lane-name.ts';

// The hash tag is the lane's, so that a coupon's gate and queue share a slot of a cluster.
const key = (couponId: string, part: string) => `{${laneOf(couponId)}}:gate:${part}`;

/** A coupon's keys of the gate in Redis: the coupon, who is in line by person, and by ticket. */
export function lineKeys(couponId: string): [coupon: string, queued: string, tickets: string] {
  return [key(couponId, 'coupon'), key(couponId, 'queued'), key(couponId, 'tickets')];
}

/**
 * The key of who holds a claim, as a claims epoch saw it. Another one than that of the version before, which was by the
 * epoch.
 */
export function heldKey(couponId: string, claimsEpoch: number): string {
  return key(couponId, `holders:${claimsEpoch}`);
}

/** A script of the gate, by its file in `gate/`. */
export function gateScript(scripts: Scripts, verb: string): ReturnType<Scripts['load']> {
  const lua = readFileSync(new URL(`./gate/${verb}.lua`, import.meta.url), 'utf8');
  return scripts.load(`gate_${verb.replace('-', '_')}`, lua);
}
