import type { CouponFacts } from '@claimline/coupons';
import type { Scripts } from '@claimline/queue/engine';
import type { LineState } from '@claimline/tickets/line';
import { type Gate, gateLimits, type InLine, type Verdict } from './gate.ts';
import { gateScript, heldKey, lineKeys } from './gate-keys.ts';
import type { Decision, Reason } from './outcome.ts';

/** Entries that travel in one command of a load. */
const PAGE = 1000;
/** Places in line that one command looks at. */
const LOOKED_AT = 2000;
/** A person of whom settle only said "has it already" holds as many as one can. */
const HELD_ENOUGH = 2_147_483_647;

/** The gate in Redis, one memory for all processes: a few hashes a coupon, one script a verb (gate/*.lua). */
export function createRedisGate(scripts: Scripts): Gate {
  const script = (verb: string) => gateScript(scripts, verb);
  const admit = script('admit');
  const renew = script('renew');
  const open = script('open');
  const hold = script('hold');
  const drop = script('drop');
  const settled = script('settled');
  const giveBack = script('give-back');
  const find = script('find');
  const places = script('places');

  return {
    isShared: true,

    async admit(coupon, candidates, nowMs) {
      const [header, ...verdicts] = (await admit(
        [...lineKeys(coupon.id), heldKey(coupon.id, coupon.claimsEpoch)],
        [
          coupon.epoch,
          coupon.claimsEpoch,
          nowMs === undefined ? '' : Math.round(nowMs),
          gateLimits.lineMost,
          gateLimits.idleS,
          ...candidates.flatMap(candidate => [candidate.userId, candidate.ticket]),
        ],
      )) as [string, ...string[]];
      if (header === 'load' || header === 'stale') return header;
      return { verdicts: verdicts.map(parseVerdict), line: parseLine(header) };
    },

    async renew(coupon) {
      const [couponKey] = lineKeys(coupon.id);
      return (await renew([couponKey, heldKey(coupon.id, coupon.claimsEpoch)], termsOf(coupon))) === 1;
    },

    async load(coupon, held) {
      for await (const holders of held) {
        if (holders.length === 0) continue;
        const entries = holders.flatMap(one => [one.userId, `${one.count} ${one.ticket}`]);
        await hold([heldKey(coupon.id, coupon.claimsEpoch)], [gateLimits.idleS, ...entries]);
      }
      const [couponKey, queuedKey] = lineKeys(coupon.id);
      const before = (await open([couponKey, queuedKey], termsOf(coupon))) as number;
      // Who held a claim in the claims epoch before is of no use any more, and may be a million people.
      if (before > 0 && before !== coupon.claimsEpoch) await drop([heldKey(coupon.id, before)], []);
    },

    async settled(news) {
      const { epoch, claimsEpoch, revision, remaining } = news.state ?? unknownState;
      const keys = [...lineKeys(news.couponId), heldKey(news.couponId, claimsEpoch)];
      const decided = [...news.decisions];
      for (let from = 0; from < decided.length; from += PAGE) {
        const args: (string | number)[] = [epoch, revision, remaining, gateLimits.idleS];
        for (const [ticket, decision] of decided.slice(from, from + PAGE))
          args.push(decision.userId, ticket, news.state ? holds(decision) : '');
        await settled(keys, args);
      }
    },

    async giveBack(couponId, entries) {
      await giveBack(
        lineKeys(couponId),
        entries.flatMap(entry => [entry.userId, entry.ticket]),
      );
    },

    async find(couponId, ticket) {
      const [header, place] = (await find(lineKeys(couponId), [ticket])) as [string, string?];
      if (place === undefined) return null;
      const space = place.indexOf(' ');
      return {
        line: Number(place.slice(0, space)),
        userId: place.slice(space + 1),
        state: parseLine(header),
      };
    },

    async readLine(couponId) {
      const [header] = (await find(lineKeys(couponId), [''])) as [string];
      return parseLine(header);
    },

    async places(couponId, { olderThanMs, belowLine, most }) {
      const found: InLine[] = [];
      const [, , ticketsKey] = lineKeys(couponId);
      let cursor = '0';
      do {
        const args = [cursor, LOOKED_AT, olderThanMs, belowLine ?? ''];
        const [next, ...page] = (await places([ticketsKey], args)) as [string, ...string[]];
        for (let i = 0; i < page.length; i += 3)
          found.push({ ticket: page[i] ?? '', line: Number(page[i + 1]), userId: page[i + 2] ?? '' });
        cursor = next;
      } while (cursor !== '0' && found.length < most);
      return found;
    },

    forgetAll() {},
    couponsInLine: () => [],
  };
}

const unknownState = { epoch: 0, claimsEpoch: 0, revision: 0, remaining: 0 };

/** A coupon as gate/renew.lua and gate/open.lua take it. */
function termsOf(coupon: CouponFacts): (string | number)[] {
  return [
    coupon.epoch,
    coupon.claimsEpoch,
    coupon.revision,
    coupon.remaining,
    coupon.status,
    coupon.startsAtMs ?? '',
    coupon.endsAtMs ?? '',
    coupon.perUserLimit,
  ];
}

/** What the person of a decided ticket is known to hold now, as gate/settled.lua takes it. */
function holds(decision: Decision): string | number {
  if (decision.status === 'granted') return decision.held;
  if (decision.status === 'refused' && decision.heldTicket) return `${HELD_ENOUGH} ${decision.heldTicket}`;
  return '';
}

function parseVerdict(text: string): Verdict {
  const rest = text.slice(2);
  if (text.startsWith('a ')) return { kind: 'admitted', line: Number(rest) };
  if (text.startsWith('j ')) {
    const space = rest.indexOf(' ');
    return { kind: 'joined', ticket: rest.slice(space + 1), line: Number(rest.slice(0, space)) };
  }
  if (text.startsWith('h ')) return { kind: 'refused', reason: 'already_claimed', heldTicket: rest || null };
  if (text.startsWith('r '))
    return {
      kind: 'refused',
      reason: rest as Exclude<Reason, 'coupon_not_found' | 'already_claimed'>,
      heldTicket: null,
    };
  return text === 'n' ? { kind: 'unticketed' } : { kind: 'full' };
}

function parseLine(header: string): LineState {
  const [done, inLine, rate] = header.split(' ').map(Number) as [number, number, number];
  return { done, inLine, perSecond: rate > 0 ? rate : null };
}
