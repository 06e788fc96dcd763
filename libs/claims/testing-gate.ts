import type { CouponFacts } from '@claimline/coupons';
import type { Gate, Holder } from './gate.ts';
import { couponFacts, nextTicket, pages } from './testing.ts';

/** The database's clock, where a test does not say otherwise. */
export const NOW = 1_800_000_000_000;

/** User ids that must pass through every store as they are. */
export const awkwardUsers = [
  'two words',
  ' leading, trailing ',
  'line\nbreak\r\ttab',
  `quotes "double" 'single' \`back\` \\ slash`,
  '12345',
  '0',
  '-1',
  '7 tkt_looks_like_a_value',
  '%s %d {brace} [list]',
  'ünïcødé ☂ 🎟 ０１ العربية',
  '\u0001\u007f\u2028',
  '__proto__',
  '🎟'.repeat(255),
];

export type Door = ReturnType<typeof openDoor>;

/** What tests do at a gate; `gate` is asked each time. */
export function openDoor(gate: () => Gate) {
  /** Opens the gate for a new coupon that these people hold. */
  async function opened(facts: Partial<CouponFacts> = {}, held: Holder[] = []) {
    const coupon = couponFacts(facts);
    await gate().load(coupon, pages(held), []);
    return coupon;
  }
  /** Opens the gate for a coupon while these people are in line. */
  async function openedWithLine(waiting: string[], facts: Partial<CouponFacts>, held: Holder[]) {
    const earlier = await opened();
    const { tickets } = await admit(earlier, waiting);
    const coupon = { ...earlier, ...facts, epoch: earlier.epoch + 1, claimsEpoch: earlier.claimsEpoch + 1 };
    await gate().load(coupon, pages(held), []);
    return { coupon, tickets };
  }
  /** @param nowMs the database's clock, null when it is not known */
  async function admit(coupon: CouponFacts, users: string[], nowMs: number | null = NOW) {
    const candidates = users.map(userId => ({ userId, ticket: nextTicket() }));
    const passed = await gate().admit(coupon, candidates, nowMs ?? undefined);
    if (typeof passed === 'string') throw new Error(`the gate answered ${passed}`);
    return { ...passed, tickets: candidates.map(candidate => candidate.ticket) };
  }
  /** One claim of one person. */
  async function admitOne(coupon: CouponFacts, userId: string, nowMs?: number | null) {
    const { verdicts, tickets, line } = await admit(coupon, [userId], nowMs);
    return { verdict: verdicts[0], ticket: tickets[0] as string, line };
  }
  const inLineOf = async (coupon: CouponFacts) => (await gate().readLine(coupon.id)).inLine;

  return { gate, opened, openedWithLine, admit, admitOne, inLineOf };
}
