import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';
import { eventTypes } from './event-types.ts';

/** A message's row with its deliveries, as read for people. */
export type MessageRow = {
  position: number;
  id: string;
  /** The JSON that is sent, as text. */
  payload: string;
  deliveries: DeliveryView[];
};

/** A message to one receiver, as the API shows it. */
type DeliveryView = {
  endpoint_id: string | null;
  callback_url: string | null;
  status: 'pending' | 'delivered' | 'exhausted';
  attempts: number;
  next_attempt_at: string | null;
};

const deliverySchema = z.object({
  endpoint_id: z.string().nullable(),
  callback_url: z
    .string()
    .nullable()
    .describe('The address that the claim itself named, in place of an endpoint.'),
  status: z
    .enum(['pending', 'delivered', 'exhausted'])
    .describe('exhausted: it is not tried any more by itself; resend or recover begin anew.'),
  attempts: z.int().describe('On the schedule under way.'),
  next_attempt_at: z.iso.datetime().nullable(),
});

/** A message as the API shows it: its id and what is sent, and what became of it. */
export const messageSchema = z
  .object({
    id: z.string().describe('The webhook-id, the same at every attempt.'),
    type: z.enum(eventTypes),
    timestamp: z.iso.datetime(),
    data: z
      .record(z.string(), z.unknown())
      .describe('`event_sequence` numbers the messages of a coupon, from 1 without gaps.'),
    deliveries: z.array(deliverySchema),
  })
  .meta({ id: 'WebhookMessage' });

/** A message as the API shows it. */
export function toMessage({ id, payload, deliveries }: MessageRow): z.output<typeof messageSchema> {
  return { id, ...JSON.parse(payload), deliveries };
}

/** A message's id in an address: what could not be one is a message that does not exist. */
export const messageParams = z.object({
  id: z.string().transform(id => {
    if (/^msg_[0-9a-f]{32}_\d{1,9}$/.test(id)) return id;
    throw noMessage();
  }),
});

/** What a caller is told of a message that does not exist, or is kept no longer. */
export function noMessage(): AppError {
  return new AppError('message_not_found', 'message not found');
}
