export { pruneValidations } from './prune-attempts.ts';
