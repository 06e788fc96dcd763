import type { Sale } from './sale.ts';

/** Every ticket begins so, and of what a worker sends to Postgres only settlements carry tickets. */
export const ticket = 'tkt_';
/** A day to remember: of what a worker sends to Redis, what tells the gate of a settlement has that before tickets. */
const remembered = '$5\r\n86400\r\n';

/** How a way to Postgres knows a settlement of a sale. */
export const settlementOf = (sale: Sale): string[] => [ticket, sale.id];

/** How a way to Redis knows what tells the gate of a settlement, which has been committed then; its job is done later. */
export const newsOf = (sale: Sale): string[] => [`{claims.${sale.id}}`, remembered, ticket];
