export type { Attempt } from './attempt.ts';
