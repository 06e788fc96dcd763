import { randomInt } from 'node:crypto';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';

/** Without letters and digits that are taken for one another when they are read out: 0 O, 1 I L, 5 S, 8 B, U V. */
const ALPHABET = '234679ACDEFGHJKMNPQRTWXYZ';
/** 25^10, nearly 10^14: with a million bookings a guess meets one in 95,000,000 tries. */
const LENGTH = 10;
const HALF = LENGTH / 2;
const REFERENCE = new RegExp(`^[${ALPHABET}]{${LENGTH}}$`);

/** What a booking is called by: short, readable, and not to be guessed, such as `K7QM4-9XTRG`. */
export function drawReference(): string {
  const letters = Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return withDash(letters);
}

/** A reference in an address, in whichever letter case, with the dash or without. Error: `booking_not_found`. */
export const referenceParams = z.object({
  reference: z.string().transform(text => {
    const letters = text.toUpperCase().replaceAll(/[\s-]/g, '');
    if (REFERENCE.test(letters)) return withDash(letters);
    throw bookingNotFound();
  }),
});

export function bookingNotFound(): AppError {
  return new AppError('booking_not_found', 'booking not found');
}

function withDash(letters: string): string {
  return `${letters.slice(0, HALF)}-${letters.slice(HALF)}`;
}
