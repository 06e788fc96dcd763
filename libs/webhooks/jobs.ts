export { pruneMessages } from './prune.ts';
export { pruneLanes } from './prune-lanes.ts';
export { startDeliveries } from './start-deliveries.ts';
