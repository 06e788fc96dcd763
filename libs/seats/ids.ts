import { AppError, type ProblemCode } from '@claimline/kernel/error';
import { z } from 'zod';

/** An event's id as clients see it. */
export const eventIdText = (id: string) => `evt_${id.replaceAll('-', '')}`;

/** A reservation's id as clients see it. It cannot be guessed: holding it is enough to read and to release. */
export const reservationIdText = (id: string) => `rsv_${id.replaceAll('-', '')}`;

const UUID = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;

function idField(prefix: string, code: ProblemCode, message: string) {
  const pattern = new RegExp(`^${prefix}_[0-9a-f]{32}$`);
  return z.string().transform(text => {
    if (!pattern.test(text)) throw new AppError(code, message);
    return text.slice(prefix.length + 1).replace(UUID, '$1-$2-$3-$4-$5');
  });
}

/** An event's id in an address, as the table has it: what could not be one is an event that does not exist. */
export const eventParams = z.object({ id: idField('evt', 'event_not_found', 'event not found') });

/** The same for a reservation. */
export const reservationParams = z.object({
  id: idField('rsv', 'reservation_not_found', 'reservation not found'),
});
