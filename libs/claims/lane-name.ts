/** The lane of a coupon: named after its identity, so that a name that comes back is a new lane. */
export function laneOf(couponId: string): string {
  return `claims.${couponId}`;
}

/** The coupon of a lane, or null for somebody else's lane. */
export function couponOf(lane: string): string | null {
  return lane.startsWith('claims.') ? lane.slice('claims.'.length) : null;
}
