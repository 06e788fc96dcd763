-- Compares each seat with the reservation that has it, and each reservation with its seats.
--
-- Params: $1 text a coupon's name, or null: with one, nothing is looked at
-- Returns: rows of (invariant text, is_note boolean, found jsonb), none where all is well. A note has an allowed
--          cause: workers that are busy or stopped.
--
-- Whether a hold lives is asked of the clock as it is, not of now(), which stood still before the snapshot: a hold
-- that lapsed in between may be somebody else's in the snapshot.
with had as (
  select
    reservations.*,
    (
      select jsonb_agg(number order by number) from seats
      where reservation_id = reservations.id and seats.event_id = reservations.event_id
        and seats.status = case reservations.status when 'active' then 'held' else 'booked' end
    ) as has,
    (select jsonb_agg(held ->> 'number' order by held ->> 'number') from jsonb_array_elements(seats) held) as wants
  from reservations where status in ('active', 'booked') and $1::text is null
)
select
  'reservations-are-whole', false,
  jsonb_build_object('reservation', id, 'event', event_id, 'user_id', user_id, 'status', status, 'has', has, 'wants', wants)
from had
where has is distinct from wants and (status = 'booked' or expires_at > clock_timestamp())
union all
select
  'seats-have-a-reservation', false,
  jsonb_build_object('event', seats.event_id, 'seat', number, 'status', seats.status, 'reservation', reservation_id)
from seats left join reservations on reservations.id = reservation_id
where $1::text is null and seats.status in ('held', 'booked')
  and reservations.status is distinct from case seats.status when 'held' then 'active' else 'booked' end
union all
select
  'no-seat-in-two-reservations', false, jsonb_build_object('event', event_id, 'seat', number, 'reservations', ids)
from (
  select event_id, held ->> 'number' as number, jsonb_agg(id) as ids
  from reservations cross join jsonb_array_elements(seats) held
  where $1::text is null and (status = 'booked' or (status = 'active' and expires_at > clock_timestamp()))
  group by event_id, held ->> 'number'
) held
where jsonb_array_length(ids) > 1
union all
select
  'reservations-add-up', false,
  jsonb_build_object('reservation', id, 'amount', amount, 'seat_count', seat_count, 'seats', seats)
from had
where seat_count <> jsonb_array_length(seats)
  or amount <> (select sum((held ->> 'price')::bigint) from jsonb_array_elements(seats) held)
union all
select 'reservation-tickets-are-decided-once', false, jsonb_build_object('ticket', ticket)
from reservations join reservation_refusals using (ticket)
where $1::text is null
union all
-- Workers may be away for a while; after a day somebody has to see to it.
select
  'sweep-keeps-up', expires_at > now() - interval '1 day', jsonb_build_object('reservation', id, 'expires_at', expires_at)
from had where status = 'active' and expires_at < now() - interval '5 minutes'
