export { startDeliveries } from './start-deliveries.ts';
