import { z } from 'zod';

/** A claim in a job: ticket, person, line number; metadata as JSON text (or empty) and callback address where there are any. */
export type JobClaim = [
  ticket: string,
  userId: string,
  line: number,
  metadata?: string,
  callbackUrl?: string,
];

/** What a claim job carries: claims of one coupon that passed the gate together. */
export type JobData = { coupon: string; name: string; claims: JobClaim[] };

/** Reads a job's data, which an operator may have written by hand. */
export const jobSchema = z.object({
  coupon: z.uuid(),
  name: z.string(),
  claims: z
    .array(z.tuple([z.string(), z.string(), z.number()], z.string()).transform(claim => claim as JobClaim))
    .min(1),
});
