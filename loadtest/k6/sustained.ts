/* Every claim granted, at a constant rate, in an open model. */
import { crowd } from './parts/crowd.ts';
import { readSettings } from './parts/settings.ts';

const settings = readSettings('sustained');
const people = settings.rate * settings.seconds;
const sale = crowd('sustained', { ...settings, people, units: people });

export const { options, setup, teardown, handleSummary } = sale;
export default sale.claimOnce;
