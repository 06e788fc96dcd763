import { couponsGone } from './by-hand/coupons-gone.ts';
import { rowsChanged } from './by-hand/rows-changed.ts';
import { onEachEngine } from './engines.ts';

/** Longer than a request takes: the next claim comes before the news of the change. */
const databaseDelayMs = 4;

onEachEngine({ databaseDelayMs }, stack => {
  rowsChanged(stack);
  couponsGone(stack);
});
