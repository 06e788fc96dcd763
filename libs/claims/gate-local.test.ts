import { describe, expect, test } from 'vitest';
import { gateSuite } from './gate.testsuite.ts';
import { createLocalGate } from './gate-local.ts';
import { couponFacts, granted, nextTicket, pages, refused, settledNews } from './testing.ts';

describe('the gate in this process', () => {
  const gate = createLocalGate();
  gateSuite(() => gate);

  const waiting = (userId: string, line: number) => ({ userId, ticket: nextTicket(), line });
  const admitNew = async (coupon: ReturnType<typeof couponFacts>, userId: string) => {
    const passed = await gate.admit(coupon, [{ userId, ticket: nextTicket() }], undefined);
    return typeof passed === 'string' ? passed : passed.verdicts[0];
  };

  test('is told by a load who is in line, with their numbers', async () => {
    const coupon = couponFacts();
    const inLine = [waiting('ada', 5000), waiting('eve', 5007)] as const;
    await gate.load(coupon, pages([]), [...inLine]);
    expect(await admitNew(coupon, 'ada')).toEqual({ kind: 'joined', ticket: inLine[0].ticket, line: 5000 });
    expect(await gate.find(coupon.id, inLine[1].ticket)).toMatchObject({ userId: 'eve', line: 5007 });
    expect(await admitNew(coupon, 'new')).toEqual({ kind: 'admitted', line: 5008 });
    expect(await gate.readLine(coupon.id)).toMatchObject({ inLine: 3 });
  });

  test('gives nobody a place again who was decided while the line was read', async () => {
    const coupon = couponFacts();
    const ada = waiting('ada', 1);
    await gate.settled(settledNews(coupon, {}, [[ada.ticket, refused('ada', 'paused')]]));
    await gate.load({ ...coupon, revision: coupon.revision + 1 }, pages([]), [ada]);
    expect(await admitNew(coupon, 'ada')).toMatchObject({ kind: 'admitted' });
    expect(await gate.find(coupon.id, ada.ticket)).toBeNull();
  });

  test('keeps a holder of whom it hears while it reads who holds a claim', async () => {
    const coupon = couponFacts();
    const ticket = nextTicket();
    async function* nobodyYet() {
      yield [];
      await gate.settled(settledNews(coupon, {}, [[ticket, granted('ada')]]));
    }
    await gate.load(coupon, nobodyYet(), []);
    expect(await admitNew(coupon, 'ada')).toMatchObject({ reason: 'already_claimed', heldTicket: ticket });
  });

  test('has to be loaded again when it may have missed something, and keeps its line', async () => {
    const coupon = couponFacts();
    await gate.load(coupon, pages([]), []);
    const ada = nextTicket();
    await gate.admit(coupon, [{ userId: 'ada', ticket: ada }], undefined);
    expect(await gate.find(coupon.id, ada)).not.toHaveProperty('mayBeDecided');
    expect(gate.couponsInLine()).toContain(coupon.id);
    gate.forgetAll();
    expect(await gate.find(coupon.id, ada)).toMatchObject({ userId: 'ada', mayBeDecided: true });
    expect(await admitNew(coupon, 'ada')).toBe('load');
    await gate.load(coupon, pages([]), []);
    expect(await admitNew(coupon, 'ada')).toMatchObject({ kind: 'joined', line: null });
    await gate.giveBack(coupon.id, await gate.places(coupon.id, { olderThanMs: 0, most: 10 }));
    expect(gate.couponsInLine()).not.toContain(coupon.id);
  });
});
