/* A crowd of distinct people on a few units, in an open model: exactly the units are granted. */
import { crowd } from './parts/crowd.ts';
import { readSettings } from './parts/settings.ts';

const sale = crowd('flash-sale', readSettings('flash-sale'));

export const { options, setup, teardown, handleSummary } = sale;
export default sale.claimOnce;
