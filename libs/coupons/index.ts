export { type Directory, openDirectory } from './directory.ts';
export type { CouponFacts } from './facts.ts';
export { nameParams } from './schemas.ts';
