export type { Attempt } from './attempt.ts';
export { validateSettings } from './validate.ts';
