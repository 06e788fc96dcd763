import type { Sql } from '@claimline/db/pool';
import { sleep } from './clock.ts';
import { draw } from './draw.ts';
import { awayError, type SimulatedProcess, type Store } from './process.ts';
import { byId, failModel, type SettleParameters, settleModel } from './settle-model.ts';
import type { Tables } from './tables.ts';

/** From a settle's snapshot to its lock on the coupon's row: the time in which others may get on before it. */
const settleMostMs = 6;

/** A process's pool: the statements of the claim path, on the model tables. Any other is an error. */
export function createSql(process: SimulatedProcess, store: Store, tables: Tables, seed: number): Sql {
  let settles = 0;

  async function settle(parameters: SettleParameters) {
    const seen = tables.rows;
    const { outages } = store;
    await sleep(Math.floor(draw(seed, process.name, 'lock', ++settles) * settleMostMs));
    const [couponId] = parameters;
    return tables.locked(byId(seen, couponId)?.name ?? couponId, () => {
      if (store.outages !== outages) throw awayError(store);
      const payload = settleModel(tables, seen, parameters);
      return payload === null ? [] : [{ payload }];
    });
  }

  function unsafe(statement: string, parameters: unknown[]) {
    if (statement.startsWith('-- Settle:'))
      return process.call(store, 'sql.settle', () => settle(parameters as SettleParameters));
    const failed = () => failModel(tables, parameters as [string, string, string[], string[]]);
    return process.call(store, 'sql.fail', failed);
  }

  function query(text: readonly string[], ...values: unknown[]) {
    return process.call(store, 'sql.read', () => read(text.join('?'), values, tables));
  }
  return Object.assign(query, { unsafe }) as unknown as Sql;
}

/** Answers the queries of directory.ts, load-gate.ts and read-ticket.ts. */
function read(text: string, [value, second]: unknown[], tables: Tables): unknown[] {
  const { coupons, claims, refusals } = tables.rows;
  if (text.includes('per_user_limit')) return [coupons.get(value as string)].flatMap(toFactsRow);
  if (text.includes('select name from coupons')) return [byId(tables.rows, value as string)].filter(Boolean);
  if (text.includes('order by sequence')) {
    const after = second as number;
    return claims
      .filter(claim => claim.couponName === value && claim.sequence > after)
      .map(claim => ({ ...claim, user_id: claim.userId, count: heldBy(tables, claim) }))
      .sort((a, b) => a.sequence - b.sequence);
  }
  if (text.includes('= any(')) {
    const isAsked = (ticket: string) => (value as string[]).includes(ticket);
    return [...claims.map(claim => claim.ticket), ...refusals.keys()]
      .filter(isAsked)
      .map(ticket => ({ ticket }));
  }
  if (text.includes('decided_at')) return readDecided(value as string, tables);
  throw new Error(`the model of Postgres does not know this query: ${text}`);
}

function toFactsRow(coupon: ReturnType<typeof byId>) {
  if (!coupon) return [];
  const { startsAtMs, endsAtMs, remaining, limit, claimsEpoch, ...same } = coupon;
  const at = (ms: number | null) => (ms === null ? null : new Date(ms));
  return [
    {
      ...same,
      claims_epoch: claimsEpoch,
      remaining_amount: remaining,
      per_user_limit: limit,
      starts_at: at(startsAtMs),
      ends_at: at(endsAtMs),
    },
  ];
}

function readDecided(ticket: string, { rows }: Tables): unknown[] {
  const claim = rows.claims.find(one => one.ticket === ticket);
  const refusal = rows.refusals.get(ticket);
  const one = claim ?? refusal;
  if (!one) return [];
  const base = { coupon_name: one.couponName, user_id: one.userId, decided_at: new Date(one.atMs) };
  return claim
    ? [{ ...base, claim_id: claim.id, sequence: claim.sequence, reason: null, code: null }]
    : [{ ...base, claim_id: null, sequence: null, reason: refusal?.reason, code: null }];
}

function heldBy({ rows }: Tables, { userId, couponName }: { userId: string; couponName: string }): number {
  return rows.claims.filter(claim => claim.userId === userId && claim.couponName === couponName).length;
}
