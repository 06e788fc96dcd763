import { fieldLimits, isStorable, requiredInteger } from '@claimline/http/fields';
import { z } from 'zod';

export const seatLimits = {
  /** Characters of a seat's number, and of its section, row and type. */
  labelMost: 64,
  /** Seats added by one request; long labels fill its body, which may have 1 MiB, with fewer. */
  addedMost: 10_000,
  /** Seats of one event. */
  eventMost: 100_000,
} as const;

export const seatStatuses = ['available', 'held', 'booked', 'blocked'] as const;
export type SeatStatus = (typeof seatStatuses)[number];

/** A section, row or type. */
export function labelField() {
  const { labelMost } = seatLimits;
  return z
    .string({ error: 'has the wrong type' })
    .max(labelMost, `exceeds maximum length of ${labelMost}`)
    .refine(isStorable, 'contains a character that cannot be stored');
}

/** A seat's number: text, or a whole number, which is taken as its text. */
export function numberField() {
  return z
    .union([z.string(), z.int()], { error: 'is required: a text, or a whole number' })
    .transform(String)
    .refine(text => text.trim() !== '', 'cannot be whitespace only')
    .refine(text => text.length <= seatLimits.labelMost, `exceeds maximum length of ${seatLimits.labelMost}`)
    .refine(isStorable, 'contains a character that cannot be stored');
}

/** The body that adds seats. */
export const newSeatsBody = z.strictObject({
  seats: z
    .array(
      z.strictObject({
        number: numberField(),
        section: labelField().optional(),
        row: labelField().optional(),
        type: labelField().optional(),
        price: requiredInteger(0, fieldLimits.integerMost).describe('In minor units.'),
        currency: z
          .string({ error: 'is required' })
          .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as EUR'),
      }),
      { error: 'must be a list of seats' },
    )
    .min(1, 'must not be empty')
    .max(seatLimits.addedMost, `must have at most ${seatLimits.addedMost} seats`),
});

export type NewSeat = z.output<typeof newSeatsBody>['seats'][number];

/** What a reservation holds, as it was then. */
export const heldSeatSchema = z
  .object({
    number: z.string(),
    section: z.string(),
    row: z.string(),
    type: z.string(),
    price: z.int().describe('In minor units.'),
    currency: z.string(),
  })
  .meta({ id: 'HeldSeat' });

export type HeldSeat = z.output<typeof heldSeatSchema>;

/** A seat of the map. */
export const seatSchema = heldSeatSchema
  .extend({ status: z.enum(seatStatuses), version: z.int() })
  .meta({ id: 'Seat' });

export type SeatRow = z.output<typeof seatSchema> & { id: number };
