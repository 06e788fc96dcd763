export { parseAllowList } from './allow-list.ts';
export { readSeal } from './read-seal.ts';
export { parseSecretKeys, type Seal } from './secret.ts';
