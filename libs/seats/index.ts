export { eventIdText, reservationIdText, reservationParams } from './ids.ts';
export { type ReservationRow, releaseHold, reservationSchema, toReservation } from './reservation.ts';
export { type HeldSeat, heldSeatSchema } from './seat.ts';
