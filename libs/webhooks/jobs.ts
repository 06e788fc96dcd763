export { pruneMessages } from './prune.ts';
export { startDeliveries } from './start-deliveries.ts';
