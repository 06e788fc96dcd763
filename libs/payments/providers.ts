import { AppError } from '@claimline/kernel/error';
import type { Provider } from './provider.ts';

/** The providers of this installation by name; null for one that is known and has no settings. */
export type Providers = ReturnType<typeof createProviders>;

/** Keeps providers by name. A new one is a line where this is called. */
export function createProviders(known: Record<string, Provider | null>) {
  return {
    /** The provider of that name. Error: AppError `payment_method_unavailable`. */
    take(name: string): Provider {
      const provider = Object.hasOwn(known, name) ? known[name] : undefined;
      if (provider) return provider;
      const offered = Object.keys(known).filter(one => known[one]);
      throw new AppError(
        'payment_method_unavailable',
        `this installation takes no payments by "${name}"; it takes ${offered.join(', ') || 'none at all'}`,
        { extra: { available: offered } },
      );
    },
  };
}
