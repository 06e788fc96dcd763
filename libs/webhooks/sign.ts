import { createHmac, randomBytes } from 'node:crypto';

export const secretLimits = {
  /** Random bytes of a secret; Standard Webhooks allows 24 to 64. */
  bytes: 32,
} as const;

const PREFIX = 'whsec_';

/** A new secret: random bytes, to be kept sealed and shown once, as {@link secretText}. */
export function newSecret(): Buffer {
  return randomBytes(secretLimits.bytes);
}

/** A secret as it is shown to the merchant, and as the libraries of Standard Webhooks take it. */
export function secretText(secret: Buffer): string {
  return PREFIX + secret.toString('base64');
}

/**
 * The headers that sign a message, after Standard Webhooks 1.0: a signature for each secret in force, so
 * that a receiver may know the old one or the new one.
 *
 * @param id the message's id, the same at every attempt
 * @param timestampS of this attempt, Unix seconds by the database's clock: receivers refuse what is minutes off
 * @param body exactly the text that is sent
 */
export function signatureHeaders(
  secrets: Buffer[],
  { id, timestampS, body }: { id: string; timestampS: number; body: string },
): Record<string, string> {
  const signed = `${id}.${timestampS}.${body}`;
  const signatures = secrets.map(
    secret => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`,
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampS),
    'webhook-signature': signatures.join(' '),
  };
}
