-- What is queued of a lane is looked at in the order in which it counts as lost.
drop index webhook_deliveries_queued;
create index webhook_deliveries_queued on webhook_deliveries (lane, due_at) where is_queued;

-- Who enables an endpoint, or gives it another url, believes that it is well: its failures are forgotten, or the next one
-- would disable it again.
drop trigger webhook_endpoints_enabled on webhook_endpoints;
drop function webhook_endpoints_after_enable();

create function webhook_endpoints_after_mend() returns trigger language plpgsql as $$
begin
  update webhook_lanes
    set open_until = null, failing_since = null, failures = 0, window_started_at = '-infinity', window_attempts = 0,
      window_failures = 0
    where lane = new.id;
  return null;
end $$;

create trigger webhook_endpoints_mended after update on webhook_endpoints
  for each row when (old.url <> new.url or old.status = 'disabled' and new.status = 'enabled')
  execute function webhook_endpoints_after_mend();
