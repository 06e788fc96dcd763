-- A hold is not let go while it is paid for, a payer may try another card, and a refund may be owed again.

-- Lets a hold go, also one that has lapsed. While its payment may still take money only the end of the event does:
-- else somebody would pay for seats that are sold to others.
-- Answers ok, same (let go or lapsed before), booked, paying or unknown; only ok changes anything.
create or replace function release_hold(reservation uuid) returns text language plpgsql as $$
declare
  held reservations;
begin
  select * into held from reservations where id = reservation for update;
  if not found then return 'unknown'; end if;
  if held.status = 'booked' then return 'booked'; end if;
  if held.status <> 'active' then return 'same'; end if;
  -- Whoever begins a payment locks the reservation as well, so that this sees every one that has its hold.
  if exists (select from payments where reservation_id = reservation and status in ('preparing', 'charging', 'pending'))
    and not exists (select from events where id = held.event_id and is_canceled)
  then return 'paying'; end if;
  perform from seats where reservation_id = reservation order by id for update;
  update seats set status = 'available', reservation_id = null, held_until = null, version = version + 1
    where reservation_id = reservation;
  update reservations set status = 'canceled', updated_at = now() where id = reservation;
  return 'ok';
end $$;

alter table payments add column is_payers_turn boolean not null default false;
comment on column payments.is_payers_turn is 'Begun without a token: the payer finishes it, and may try one card after the other.';

alter table refunds add column refusals integer not null default 0;
comment on column refunds.refusals is 'How often the provider would not give it back, or could not in the end; each makes another try of it.';

-- The mock tells the tries of a refund apart as well.
alter table mock_refunds add column refusals integer not null default 0;
