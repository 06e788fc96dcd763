export { sendMockWebhooks } from './mock-webhooks.ts';
