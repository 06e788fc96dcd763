export { type Directory, directoryLimits, openDirectory } from './directory.ts';
export type { CouponFacts } from './facts.ts';
export { nameParams } from './schemas.ts';
