import { reply } from '@claimline/http/reply';
import type { Router } from '@claimline/http/router';
import { reservationParams, reservationSchema, toReservation } from '@claimline/seats';
import type { House } from './house.ts';
import { releaseReservation } from './release.ts';

/** Letting a reservation go, paid for or not. */
export function mountReleasing(router: Router, house: House) {
  router.add(
    {
      method: 'delete',
      path: '/api/reservations/{id}',
      id: 'releaseReservation',
      tag: 'Reservations',
      summary: 'Let the seats of a reservation go at once',
      description:
        'Of one that has ended nothing changes. A pending payment is canceled at the provider first; one that is ' +
        'being charged, or that the provider will not cancel any more, is `payment_in_progress`.',
      access: 'public',
      params: reservationParams,
      answers: { 200: { description: 'The reservation', schema: reservationSchema } },
      problems: ['reservation_not_found', 'reservation_booked', 'payment_in_progress'],
    },
    async ({ c, params }) => reply(c, 200, toReservation(await releaseReservation(house, params.id))),
  );
}
