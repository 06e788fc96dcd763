import { AppError } from '@claimline/kernel/error';
import { z } from 'zod';
import { toStored } from './code.ts';

/** A code in an address, in whichever letter case: what could not be one is a code that does not exist. */
export const codeParams = z.object({
  code: z.string().transform(text => {
    const code = toStored(text);
    if (code !== null) return code;
    throw new AppError('code_not_found', 'code not found');
  }),
});
