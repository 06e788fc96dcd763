export { pruneMessages } from './prune.ts';
export { pruneLanes } from './prune-lanes.ts';
export { renewSecrets } from './renew-secrets.ts';
export { startDeliveries } from './start-deliveries.ts';
