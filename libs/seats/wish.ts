import { requiredText } from '@claimline/http/fields';
import { z } from 'zod';
import { labelField, numberField } from './seat.ts';

export const wishLimits = {
  /** Seats of one reservation. */
  seatsMost: 50,
} as const;

/** What somebody wants to reserve: seats by number, each with the version that was seen or not, or the best available. */
export type Wish = { seats: NamedSeat[] } | { quantity: number; section: string | null };
export type NamedSeat = { number: string; version: number | null };

const versionField = z
  .number({ error: 'has the wrong type' })
  .int('has the wrong type')
  .min(1, 'must be at least 1')
  .optional()
  .describe('The version that was seen: a seat that has changed since is refused.');

/** The body of a reservation. Either `seats` or `quantity`. */
export const reservationBody = z
  .strictObject({
    user_id: requiredText(),
    seats: z
      .array(z.strictObject({ number: numberField(), version: versionField }), {
        error: 'must be a list of seats',
      })
      .min(1, 'must not be empty')
      .max(wishLimits.seatsMost, `must have at most ${wishLimits.seatsMost} seats`)
      .optional(),
    quantity: z
      .number({ error: 'has the wrong type' })
      .int('has the wrong type')
      .min(1, 'must be at least 1')
      .max(wishLimits.seatsMost, `must be at most ${wishLimits.seatsMost}`)
      .optional()
      .describe(
        'Instead of seats: so many of the best available, next to each other in a row where that can be.',
      ),
    section: labelField().optional().describe('With quantity: only in this section.'),
  })
  .check(({ value, issues }) => {
    const complain = (path: (string | number)[], message: string) =>
      void issues.push({ code: 'custom', message, path, input: value });
    if (value.seats === undefined && value.quantity === undefined)
      complain(['seats'], 'is required, or quantity');
    if (value.seats && value.quantity !== undefined) complain(['quantity'], 'does not go with seats');
    if (value.seats && value.section !== undefined) complain(['section'], 'does not go with seats');
    const seen = new Set<string>();
    for (const [i, { number }] of (value.seats ?? []).entries()) {
      if (seen.has(number)) complain(['seats', i, 'number'], 'is named twice');
      seen.add(number);
    }
  });

export function toWish({ seats, quantity, section }: z.output<typeof reservationBody>): Wish {
  if (seats) return { seats: seats.map(({ number, version }) => ({ number, version: version ?? null })) };
  return { quantity: quantity as number, section: section ?? null };
}
