/** Everything that a merchant may be told of. A type is stable: receivers compare it. */
export const eventTypes = [
  'claim.granted',
  'claim.refused',
  'coupon.sold_out',
  'code.redeemed',
  'reservation.held',
  'reservation.expired',
  'booking.confirmed',
  'booking.canceled',
  'booking.refunded',
  'webhook.test',
  'endpoint.disabled',
] as const;

/** A type of {@link eventTypes}. */
export type EventType = (typeof eventTypes)[number];
