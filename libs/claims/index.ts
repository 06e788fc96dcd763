export type { Grant } from './grant.ts';
export { plainStatement, settle, settleSettings } from './settle.ts';
