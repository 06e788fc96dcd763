import { isStorable, requiredText } from '@claimline/http/fields';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';
import type { AllowList } from './allow-list.ts';
import { type EventType, eventTypes } from './event-types.ts';
import { complaintAboutUrl, guardLimits } from './guard.ts';

export const endpointLimits = {
  /** Of one installation: a message costs a row and a request for each that wants it. */
  endpointsMost: 1000,
  couponsMost: 100,
  descriptionLength: 500,
} as const;

/** Why an endpoint gets nothing: somebody said so, it answered 410, it asked for it, or it failed for days. */
export const disabledReasons = ['operator', 'gone', 'receiver', 'failing'] as const;

/** An endpoint's row as read for people. */
export type EndpointRow = {
  id: string;
  url: string;
  event_types: string[] | null;
  coupons: string[] | null;
  description: string | null;
  status: 'enabled' | 'disabled';
  disabled_at: Date | null;
  disabled_reason: string | null;
  created_at: Date;
  updated_at: Date;
};

export const endpointColumns = [
  ...['id', 'url', 'event_types', 'coupons', 'description', 'status', 'disabled_at', 'disabled_reason'],
  ...['created_at', 'updated_at'],
];

/** An endpoint as the API shows it: without its secret. */
export function toEndpoint({ disabled_at, created_at, updated_at, ...row }: EndpointRow) {
  return {
    ...row,
    disabled_at: disabled_at?.toISOString() ?? null,
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
  };
}

/** What a caller sends of an endpoint; its url is held against the guard, and kept in its standard spelling. */
export function endpointFields(allow: AllowList) {
  const all = 'leave it out, or null, for all';
  return {
    url: z
      .string({ error: issue => (issue.input == null ? 'is required' : 'has the wrong type') })
      .check(({ value, issues }) => {
        const message = isStorable(value) ? complaintAboutUrl(value, allow) : 'must be an address';
        if (message) issues.push({ code: 'custom', message, input: value });
      })
      // Every program reads it alike then; as typed, a backslash is a slash to some.
      .transform(url => new URL(url).href)
      .meta({ format: 'uri', maxLength: guardLimits.urlLength })
      .describe('Where messages are posted to: https, on a public address, port 443 or from 1024.'),
    event_types: z
      .array(z.enum(eventTypes, { error: `must be one of ${eventTypes.join(', ')}` }))
      .min(1, `must not be empty; ${all}`)
      .max(eventTypes.length, 'has more types than there are')
      .nullable()
      .describe('The types that are wanted; null for all.'),
    coupons: z
      .array(requiredText())
      .min(1, `must not be empty; ${all}`)
      .max(endpointLimits.couponsMost, `must not have more than ${endpointLimits.couponsMost} names`)
      .nullable()
      .describe('Names of the coupons whose events are wanted; null for all.'),
    description: z
      .string()
      .max(endpointLimits.descriptionLength, `exceeds maximum length of ${endpointLimits.descriptionLength}`)
      .refine(isStorable, 'contains a character that cannot be stored')
      .nullable(),
  };
}

/** A new endpoint. */
export type NewEndpoint = {
  url: string;
  event_types: EventType[] | null;
  coupons: string[] | null;
  description: string | null;
};

/** What may be changed of an endpoint; what is left out stays. */
export type EndpointChange = {
  [Field in keyof NewEndpoint]?: NewEndpoint[Field] | undefined;
} & { status?: 'enabled' | 'disabled' | undefined };

/** An endpoint as the API shows it. */
export const endpointSchema = z
  .object({
    id: z.string(),
    url: z.string(),
    event_types: z.array(z.enum(eventTypes)).nullable(),
    coupons: z.array(z.string()).nullable(),
    description: z.string().nullable(),
    status: z.enum(['enabled', 'disabled']),
    disabled_at: z.iso.datetime().nullable(),
    disabled_reason: z
      .enum(disabledReasons)
      .nullable()
      .describe(
        'operator: by a request; gone: it answered 410; receiver: it asked to; failing: nothing but failures for days.',
      ),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .meta({ id: 'WebhookEndpoint' });

/** An endpoint's id in an address: what could not be one is an endpoint that does not exist. */
export const endpointParams = z.object({
  id: z.string().transform(id => {
    if (/^ep_[0-9a-z]{16,40}$/.test(id)) return id;
    throw noEndpoint();
  }),
});

/** What a caller is told of an endpoint that does not exist. */
export function noEndpoint(): AppError {
  return new AppError('endpoint_not_found', 'endpoint not found');
}
