import { z } from 'zod';
import type { Wish } from './wish.ts';

/** A request in a job: ticket, person, and what they want. */
export type JobRequest = [ticket: string, userId: string, wish: Wish];

/** What a job of an event's lane carries: requests that passed the gate together. */
export type JobData = { event: string; name: string; requests: JobRequest[] };

const wishSchema = z.union([
  z.object({ seats: z.array(z.object({ number: z.string(), version: z.int().nullable() })).min(1) }),
  z.object({ quantity: z.int().min(1), section: z.string().nullable() }),
]);

/** Reads a job's data, which an operator may have written by hand. */
export const jobSchema = z.object({
  event: z.uuid(),
  name: z.string(),
  requests: z.array(z.tuple([z.string(), z.string(), wishSchema])).min(1),
});

/** The lane of an event. */
export function laneOf(eventId: string): string {
  return `seats.${eventId}`;
}

/** The event of a lane, or null for somebody else's lane. */
export function eventOf(lane: string): string | null {
  return lane.startsWith('seats.') ? lane.slice('seats.'.length) : null;
}

/** The requests that jobs carry; a job that no lane of this event would settle carries none. */
export function requestsOf(jobs: unknown[], eventId: string) {
  return jobs
    .map(data => jobSchema.safeParse(data).data)
    .filter(job => job?.event === eventId)
    .flatMap(job => job?.requests ?? [])
    .map(([ticket, userId]) => ({ ticket, userId }));
}
