import type { OperationNote } from '@claimline/http/openapi-operation';

const booking = {
  reference: 'K7QM-49XT-RGAC-D2FH',
  reservation_id: 'rsv_5f1c0c9e8f5b4b6f9c0e2a7d3b1f4e68',
  event_id: 'evt_9d2a41b7c3e84f0fa6d15b7c2e90f3a4',
  user_id: 'ada',
  seats: [{ number: 'A-12', section: 'Stalls', row: 'A', type: 'standard', price: 4500, currency: 'EUR' }],
  amount: 4500,
  currency: 'EUR',
  status: 'confirmed',
  payment: {
    id: 'pay_q1Zb7Yw0c2VxN4sT',
    method: 'stripe',
    status: 'succeeded',
    refunded_amount: 0,
    refunding_amount: 0,
  },
  metadata: null,
  created_at: '2026-12-01T09:00:00.000Z',
  confirmed_at: '2026-12-01T09:00:00.000Z',
  canceled_at: null,
};

/** The notes of booking, by operation id. */
export const bookingNotes: Record<string, OperationNote> = {
  bookReservation: {
    body: { payment: { method: 'stripe', token: 'pm_card_visa' } },
    answers: { 200: booking, 201: booking },
  },
  readBooking: { answers: { 200: booking } },
  listUserBookings: { answers: { 200: { data: [booking], next_cursor: null } } },
  refundBooking: {
    body: { amount: 500 },
    answers: {
      200: {
        ...booking,
        payment: { ...booking.payment, status: 'partially_refunded', refunded_amount: 500 },
      },
    },
  },
  receivePaymentWebhook: {
    raw: { id: 'evt_1', type: 'payment_intent.succeeded', data: { object: { id: 'pi_1' } } },
    requestHeaders: { 'Stripe-Signature': "Of Stripe's webhooks: the signature of the body." },
    answers: { 200: { received: true, is_new: true } },
  },
};
