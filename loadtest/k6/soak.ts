/* The mixture at a low rate for a long time; `npm run load -- soak` watches the memory meanwhile. */
import { mixture } from './parts/mixture.ts';
import { readSettings } from './parts/settings.ts';

const soak = mixture('soak', readSettings('soak'));

export const { options, setup, teardown, handleSummary } = soak;
export default soak.work;
