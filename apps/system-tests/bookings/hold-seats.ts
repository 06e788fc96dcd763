import { randomUUID } from 'node:crypto';
import type { Sql } from '@claimline/db/pool';

const seatsEach = 2;
const price = 1500;

/** Reservations of an event of their own, with two seats each, as the API would show their ids. */
export async function holdSeats(sql: Sql, count: number): Promise<string[]> {
  const [event] = await sql<{ id: string }[]>`
    insert into events (name, starts_at, currency)
    values (${`event ${randomUUID()}`}, now() + interval '1 day', 'EUR') returning id`;
  const rows = await sql<{ id: string }[]>`
    with numbered as (
      select n, gen_random_uuid() as id from generate_series(1, ${count}::int) as n
    ),
    reserved as (
      insert into reservations (id, event_id, user_id, seats, seat_count, amount, currency, status, expires_at)
      select id, ${event!.id}, 'person ' || n, (
          select jsonb_agg(jsonb_build_object('number', n || '-' || place, 'section', null, 'row', null, 'type', null,
            'price', ${price}::int, 'currency', 'EUR') order by place)
          from generate_series(1, ${seatsEach}::int) as place
        ), ${seatsEach}, ${seatsEach * price}, 'EUR', 'active', now() + interval '1 hour'
      from numbered
    ),
    held as (
      insert into seats (event_id, number, price, currency, status, reservation_id, held_until)
      select ${event!.id}, n || '-' || place, ${price}, 'EUR', 'held', id, now() + interval '1 hour'
      from numbered cross join generate_series(1, ${seatsEach}::int) as place
    )
    select id from numbered`;
  return rows.map(({ id }) => `rsv_${id.replaceAll('-', '')}`);
}
