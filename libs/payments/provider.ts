/** Money in whole minor units (cents), with the ISO 4217 code of its currency in upper case. */
export type Money = { amount: number; currency: string };

/**
 * What has become of a charge. `open`: nothing was taken, and nothing will be before it is charged.
 * `pending`: it may still go either way. `succeeded` and `failed` are final for whoever asks; a provider
 * that changes its mind sends a notice.
 */
export type ChargeStatus = 'open' | 'pending' | 'succeeded' | 'failed';

/** A charge as the provider tells it. */
export type Charge = Money & {
  /** The provider's own id of it. */
  id: string;
  status: ChargeStatus;
  /** Why it failed, or why the payer's last try did while it is open, in the provider's words; else null. */
  reason: string | null;
  /** With what the payer's own device can finish it, where the provider works so; else null. Not to be stored. */
  clientSecret: string | null;
};

/** What announcing a charge came to: the provider's id of it, or why there will be none, in the provider's words. */
export type Prepared = { id: string } | { refusal: string };

/** A refund as the provider tells it. `failed` is final; one that has succeeded may yet fail, and a notice says so. */
export type Refund = { id: string; status: 'pending' | 'succeeded' | 'failed'; reason: string | null };

/** What a provider's webhook is about. It says that there is something to look at, not what. */
export type Notice = {
  id: string;
  type: string;
  chargeId: string;
  /** The provider's id of the refund that it is about, if it is. */
  refundId: string | null;
};

/** One webhook as it came in. `header` takes names in lower case. */
export type Delivery = { header: (name: string) => string | undefined; body: Buffer };

/**
 * Somebody who takes money and gives it back. To charge takes two calls, so that whoever dies between them
 * leaves nothing that cannot be found again: `prepare` answers the charge's id before any money can move,
 * and everything after it goes by that id. Every call may be repeated, at any time later, and comes to the
 * same; the ids given are ours, and the idempotency key of a call that needs one derives from them.
 *
 * All of them throw {@link ProviderAwayError} when it is not known what came of the call.
 */
export type Provider = {
  name: string;
  /** Announces a charge. Nothing is taken. */
  prepare(order: Money & { paymentId: string; reservationId: string }): Promise<Prepared>;
  /**
   * Charges what was prepared. A charge that is no longer open answers what became of it.
   * @param token the payer's means of payment, as the provider knows it; null for its default
   */
  charge(chargeId: string, order: { paymentId: string; token: string | null }): Promise<Charge>;
  /** What became of a charge. */
  read(chargeId: string): Promise<Charge>;
  /** Sees to it that a charge takes no money any more, and answers what became of it: `succeeded` when that came too late. */
  cancel(chargeId: string): Promise<Charge>;
  /**
   * Gives back all or a part of a charge that succeeded; one refund for each `refundId`.
   * @param refusals how often it was refused before, or failed in the end: with another number it is tried anew
   */
  refund(order: Money & { refundId: string; chargeId: string; refusals: number }): Promise<Refund>;
  /** What has become of a refund, by the provider's id of it. */
  readRefund(id: string): Promise<Refund>;
  /**
   * Checks who sent a webhook, and when, and answers what it is about; null for what has nothing to do with
   * a charge. Error: AppError `unauthorized` for a signature that is not the provider's, or an old one.
   */
  readNotice(delivery: Delivery): Promise<Notice | null>;
};

/** The provider did not answer, or not with sense: the call may have had its effect. */
export class ProviderAwayError extends Error {
  constructor(provider: string, cause?: unknown) {
    super(`${provider} cannot be reached`, { cause });
    this.name = 'ProviderAwayError';
  }
}
