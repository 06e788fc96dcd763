import { expect, test } from 'vitest';
import { drawReference, referenceParams } from './reference.ts';

test('references are different, readable, and read in whichever form somebody types them', () => {
  const drawn = Array.from({ length: 2000 }, drawReference);
  expect(new Set(drawn).size).toBe(2000);
  const letters = [...new Set(drawn.join('').replaceAll('-', ''))].sort().join('');
  expect(letters).toBe('234679ACDEFGHJKMNPQRTWXYZ');
  const read = (reference: string) => referenceParams.parse({ reference }).reference;
  for (const typed of ['k7qm4-9xtrg', 'K7QM49XTRG', ' k7qm4 9xtrg ']) expect(read(typed)).toBe('K7QM4-9XTRG');
  for (const wrong of ['', 'K7QM4-9XTR', 'K7QM4-9XTRGG', 'O7QM4-9XTRG', "' or 1=1"])
    expect(() => read(wrong), wrong).toThrow('booking not found');
});
