export { openProviders, type PaymentSettings } from './open.ts';
export { type Charge, ProviderAwayError } from './provider.ts';
export type { Providers } from './providers.ts';
