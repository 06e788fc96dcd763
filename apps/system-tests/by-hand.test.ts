import { couponsGone } from './by-hand/coupons-gone.ts';
import { rowsChanged } from './by-hand/rows-changed.ts';
import { onEachEngine } from './engines.ts';

onEachEngine({}, stack => {
  rowsChanged(stack);
  couponsGone(stack);
});
