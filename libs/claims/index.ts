export type { Reason } from './outcome.ts';
