import { AppError } from '@claimline/kernel/error';
import Stripe from 'stripe';
import {
  type Charge,
  type ChargeStatus,
  type Delivery,
  type Notice,
  type Provider,
  ProviderAwayError,
  type Refund,
} from './provider.ts';

export const stripeLimits = {
  /** One try of a call, and how often it is tried again: with the waits between, half a minute at most. */
  timeoutMs: 8000,
  retries: 1,
  /** How old a webhook may be. */
  toleranceSeconds: 300,
  /** Refunds of one charge that are looked through for ours. */
  refundsMost: 100,
} as const;

/** The same call is under way with the same key. */
const CONFLICT = 409;

/** Stripe tells of these; everything else it sends is thanked for and left. */
const NOTICES =
  /^(?:payment_intent\.(?:succeeded|payment_failed|canceled|processing)|charge\.refund(?:ed|\.updated)|refund\.)/;

/**
 * Stripe, by PaymentIntents: an intent is created unconfirmed and confirmed by its id. Without a token the
 * payer's own device confirms it, with the client secret.
 */
export function createStripe(settings: {
  secretKey: string;
  webhookSecret: string | undefined;
  apiUrl: string;
}): Provider {
  const { protocol, hostname, port } = new URL(settings.apiUrl);
  const stripe = new Stripe(settings.secretKey, {
    protocol: protocol === 'http:' ? 'http' : 'https',
    host: hostname,
    port: port || (protocol === 'http:' ? 80 : 443),
    timeout: stripeLimits.timeoutMs,
    maxNetworkRetries: stripeLimits.retries,
    telemetry: false,
  });
  const read = async (chargeId: string) => toCharge(await stripe.paymentIntents.retrieve(chargeId));

  return {
    name: 'stripe',
    prepare: ({ paymentId, reservationId, amount, currency }) =>
      answered(async () => {
        try {
          const { id } = await stripe.paymentIntents.create(
            {
              amount,
              currency: currency.toLowerCase(),
              automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
              metadata: { payment_id: paymentId, reservation_id: reservationId },
            },
            { idempotencyKey: `${paymentId} prepare` },
          );
          return { id };
        } catch (error) {
          const refusal = refusalIn(error);
          if (refusal === null) throw error;
          return { refusal };
        }
      }),
    charge: (chargeId, { paymentId, token }) =>
      answered(async () => {
        if (token === null) return awaitPayer(await read(chargeId));
        try {
          const confirmed = await stripe.paymentIntents.confirm(
            chargeId,
            { payment_method: token },
            { idempotencyKey: `${paymentId} charge` },
          );
          return toCharge(confirmed);
        } catch (error) {
          const charge = await read(chargeId);
          if (charge.status !== 'open') return charge;
          const reason = charge.reason ?? refusalIn(error);
          if (reason === null) throw error;
          return { ...charge, status: 'failed', reason };
        }
      }),
    read: chargeId => answered(() => read(chargeId)),
    cancel: chargeId =>
      answered(async () => {
        try {
          // Without a key of ours, by which Stripe would repeat an old refusal: canceled twice is canceled.
          return toCharge(await stripe.paymentIntents.cancel(chargeId));
        } catch (error) {
          if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) throw error;
          const intent = await stripe.paymentIntents.retrieve(chargeId);
          // Canceled, succeeded, or on its way and not to be held up. An open one may still be paid: ask again.
          if (statuses[intent.status] === 'open') throw error;
          return toCharge(intent);
        }
      }),
    refund: order => answered(() => refund(stripe, order)),
    readRefund: id => answered(async () => toRefund(await stripe.refunds.retrieve(id))),
    readNotice: async delivery => readNotice(stripe, settings.webhookSecret, delivery),
  };
}

/**
 * One refund for each of our ids. Stripe forgets idempotency keys after a day or more, so that whoever comes
 * back later looks for the refund first. Until then it repeats a refusal too, so that each try after one has a key of
 * its own; it is made only where none of those before stands.
 */
async function refund(stripe: Stripe, order: Parameters<Provider['refund']>[0]): Promise<Refund> {
  const { refundId, chargeId, amount, refusals } = order;
  const made = await stripe.refunds.list({ payment_intent: chargeId, limit: stripeLimits.refundsMost });
  const ours = made.data.filter(({ metadata }) => metadata?.refund_id === refundId);
  const told =
    ours.find(one => toRefund(one).status !== 'failed') ??
    ours.find(({ metadata }) => Number(metadata?.refusals ?? 0) === refusals);
  if (told) return toRefund(told);
  try {
    const isFirst = refusals === 0;
    const refunded = await stripe.refunds.create(
      { payment_intent: chargeId, amount, metadata: { refund_id: refundId, ...(!isFirst && { refusals }) } },
      { idempotencyKey: isFirst ? `${refundId} refund` : `${refundId} refund ${refusals}` },
    );
    return toRefund(refunded);
  } catch (error) {
    const reason = refusalIn(error);
    if (reason === null) throw error;
    return { id: '', status: 'failed', reason };
  }
}

function readNotice(stripe: Stripe, secret: string | undefined, { header, body }: Delivery): Notice | null {
  if (secret === undefined)
    throw new AppError('payment_method_unavailable', 'STRIPE_WEBHOOK_SECRET is not set');
  let event: Stripe.Event;
  try {
    const signature = header('stripe-signature') ?? '';
    event = stripe.webhooks.constructEvent(body, signature, secret, stripeLimits.toleranceSeconds);
  } catch (cause) {
    throw new AppError('unauthorized', 'the signature is not valid, or too old', { cause });
  }
  if (!NOTICES.test(event.type)) return null;
  const object = event.data.object as { object?: string; id?: string; payment_intent?: unknown };
  const chargeId = object.object === 'payment_intent' ? object.id : idOf(object.payment_intent);
  if (chargeId === undefined) return null;
  const refundId = object.object === 'refund' ? (object.id ?? null) : null;
  return { id: event.id, type: event.type, chargeId, refundId };
}

/** A reference of Stripe's is an id, or the object itself where it was expanded. */
function idOf(reference: unknown): string | undefined {
  if (typeof reference === 'string') return reference;
  return (reference as { id?: string } | null | undefined)?.id;
}

/** Stripe's answer, or ProviderAwayError where there was none, or one that says nothing about the money. */
async function answered<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof Stripe.errors.StripeError) throw new ProviderAwayError('stripe', error);
    throw error;
  }
}

/** Why Stripe refused, or null where it did not: it was away, busy, at the same call already, or would not know us. */
function refusalIn(error: unknown): string | null {
  const { StripeCardError, StripeInvalidRequestError } = Stripe.errors;
  if (error instanceof StripeCardError || error instanceof StripeInvalidRequestError)
    return error.statusCode === CONFLICT
      ? null
      : (error.decline_code ?? error.code ?? error.rawType ?? error.type);
  return null;
}

/** An intent stays open after a try has failed with it: the payer may try again. */
function toCharge(intent: Stripe.PaymentIntent): Charge {
  const failure = intent.last_payment_error;
  const status = statuses[intent.status] ?? 'pending';
  const why = failure?.decline_code ?? failure?.code ?? failure?.type ?? null;
  return {
    id: intent.id,
    status,
    amount: intent.amount,
    currency: intent.currency.toUpperCase(),
    reason: status === 'failed' ? (why ?? intent.status) : status === 'open' ? why : null,
    clientSecret: status === 'open' || status === 'pending' ? intent.client_secret : null,
  };
}

/** It is the payer's turn, on their own device. */
async function awaitPayer(charge: Charge): Promise<Charge> {
  return charge.status === 'open' ? { ...charge, status: 'pending', reason: null } : charge;
}

const statuses: Record<string, ChargeStatus> = {
  requires_payment_method: 'open',
  requires_confirmation: 'open',
  requires_action: 'pending',
  processing: 'pending',
  requires_capture: 'pending',
  succeeded: 'succeeded',
  canceled: 'failed',
};

function toRefund({ id, status, failure_reason }: Stripe.Refund): Refund {
  if (status === 'succeeded') return { id, status, reason: null };
  const isOver = status === 'failed' || status === 'canceled';
  return isOver
    ? { id, status: 'failed', reason: failure_reason ?? status }
    : { id, status: 'pending', reason: null };
}
