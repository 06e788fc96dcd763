/* A steep open model for a while, the stock gone half way: nobody is dropped. */
import { crowd } from './parts/crowd.ts';
import { readSettings } from './parts/settings.ts';

const settings = readSettings('surge');
const sale = crowd('surge', { ...settings, people: settings.rate * settings.seconds });

export const { options, setup, teardown, handleSummary } = sale;
export default sale.claimOnce;
