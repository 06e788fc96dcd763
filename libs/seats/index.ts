export { eventIdText, reservationIdText, reservationParams } from './ids.ts';
export { type HeldSeat, heldSeatSchema } from './seat.ts';
