import type { Sql } from '@claimline/db/pool';
import { createMock } from './mock.ts';
import { createProviders, type Providers } from './providers.ts';
import { createStripe } from './stripe.ts';

/** What is configured. A provider without its settings is known and takes nothing. */
export type PaymentSettings = {
  /** Whether the mock takes payments, which are of no worth. */
  takesMock: boolean;
  stripe: {
    secretKey: string | undefined;
    webhookSecret: string | undefined;
    apiUrl: string;
  };
};

/**
 * The providers of this installation: the one place that names them all.
 * @param notifyUrl where the mock sends its webhooks
 */
export function openProviders(
  sql: Sql,
  { takesMock, stripe: { secretKey, webhookSecret, apiUrl } }: PaymentSettings,
  notifyUrl: () => string | null = () => null,
): Providers {
  return createProviders({
    mock: takesMock ? createMock(sql, notifyUrl) : null,
    stripe: secretKey === undefined ? null : createStripe({ secretKey, webhookSecret, apiUrl }),
  });
}
