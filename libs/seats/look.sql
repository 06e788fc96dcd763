-- Reads what a settle of an event's reservations is prepared on: the event as it is, and which tickets are decided.
--
-- Params: $1 uuid the event, $2 text[] tickets
-- Returns: one row (revision, closed, decided): why nobody can reserve now, or null, and the tickets among $2 that
--          have an outcome already (a job may run twice). No row: there is no such event.
select
  revision,
  case when is_canceled or starts_at <= now() or on_sale_at > now() then 'not_on_sale' end as closed,
  array(
    select ticket from reservations where ticket = any ($2::text[])
    union all
    select ticket from reservation_refusals where ticket = any ($2::text[]) and reason <> 'failed'
  ) as decided
from events where id = $1::uuid
