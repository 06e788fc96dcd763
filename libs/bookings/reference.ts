import { randomInt } from 'node:crypto';
import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';

/** Without letters and digits that are taken for one another when they are read out: 0 O, 1 I L, 5 S, 8 B, U V. */
const ALPHABET = '234679ACDEFGHJKMNPQRTWXYZ';
/** 25^16, 74 bits: among a million bookings, a million guesses a second meet one in about 700 years. */
const LENGTH = 16;
const GROUP = 4;
const REFERENCE = new RegExp(`^[${ALPHABET}]{${LENGTH}}$`);

/** What a booking is called by: readable, and not to be guessed, such as `K7QM-49XT-RGAC-D2FH`. */
export function drawReference(): string {
  const letters = Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return inGroups(letters);
}

/** A reference in an address, in whichever letter case, with the dashes or without. Error: `booking_not_found`. */
export const referenceParams = z.object({
  reference: z.string().transform(text => {
    const letters = text.toUpperCase().replaceAll(/[\s-]/g, '');
    if (REFERENCE.test(letters)) return inGroups(letters);
    throw bookingNotFound();
  }),
});

export function bookingNotFound(): AppError {
  return new AppError('booking_not_found', 'booking not found');
}

function inGroups(letters: string): string {
  return Array.from({ length: LENGTH / GROUP }, (_, i) => letters.slice(i * GROUP, (i + 1) * GROUP)).join(
    '-',
  );
}
