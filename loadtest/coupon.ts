/** What a measurement does with a coupon over HTTP besides claiming it; rowlock answers the same calls. */

export type CouponCounts = { claimedCount: number; remainingAmount: number };

/** Creates a coupon that is open at once; throws when the answer is not 201. */
export async function createCoupon(baseUrl: string, name: string, amount: number): Promise<void> {
  const response = await fetch(`${baseUrl}/api/coupons`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, amount }),
  });
  const body = await response.text();
  if (response.status !== 201) throw new Error(`creating ${name} answered ${response.status}: ${body}`);
}

/** Reads how many units are claimed and left; throws when the answer is not 200. */
export async function readCounts(baseUrl: string, name: string): Promise<CouponCounts> {
  const response = await fetch(`${baseUrl}/api/coupons/${encodeURIComponent(name)}`);
  const body = await response.text();
  if (response.status !== 200) throw new Error(`reading ${name} answered ${response.status}: ${body}`);
  const coupon = JSON.parse(body) as { claimed_count: number; remaining_amount: number };
  return { claimedCount: coupon.claimed_count, remainingAmount: coupon.remaining_amount };
}
