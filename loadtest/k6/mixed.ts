/* Claims, tickets, coupons, lines and lists together, on coupons scarce and plentiful, in an open model. */
import { mixture } from './parts/mixture.ts';
import { readSettings } from './parts/settings.ts';

const mixed = mixture('mixed', readSettings('mixed'));

export const { options, setup, teardown, handleSummary } = mixed;
export default mixed.work;
