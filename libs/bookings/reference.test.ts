import { expect, test } from 'vitest';
import { drawReference, referenceParams } from './reference.ts';

test('references are different, readable, and read in whichever form somebody types them', () => {
  const read = (reference: string) => referenceParams.parse({ reference }).reference;
  const drawn = Array.from({ length: 2000 }, drawReference);
  expect(new Set(drawn).size).toBe(2000);
  for (const one of drawn) expect(read(one)).toBe(one);
  const letters = [...new Set(drawn.join('').replaceAll('-', ''))].sort().join('');
  expect(letters).toBe('234679ACDEFGHJKMNPQRTWXYZ');
  for (const typed of ['k7qm-49xt-rgac-d2fh', 'K7QM49XTRGACD2FH', ' k7qm4 9xtrg acd2fh '])
    expect(read(typed)).toBe('K7QM-49XT-RGAC-D2FH');
  const wrongs = ['K7QM-49XT-RGAC-D2F', 'K7QM-49XT-RGAC-D2FHH', 'O7QM-49XT-RGAC-D2FH', 'K7QM4-9XTRG'];
  for (const wrong of ['', ...wrongs, "' or 1=1"])
    expect(() => read(wrong), wrong).toThrow('booking not found');
});
