import { afterAll, beforeAll } from 'vitest';
import { couponsGone } from './by-hand/coupons-gone.ts';
import { rowsChanged } from './by-hand/rows-changed.ts';
import { openTraffic } from './by-hand/traffic.ts';
import { onEachEngine } from './engines.ts';

onEachEngine({}, stack => {
  let closeTraffic: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    closeTraffic = await openTraffic(stack());
  });
  afterAll(() => closeTraffic?.());
  rowsChanged(stack);
  couponsGone(stack);
});
