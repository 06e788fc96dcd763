export { parseAllowList } from './allow-list.ts';
export { countDeliveries } from './count-deliveries.ts';
export { complaintAboutUrl } from './guard.ts';
export { readSeal } from './read-seal.ts';
export { parseSecretKeys, type Seal } from './secret.ts';
