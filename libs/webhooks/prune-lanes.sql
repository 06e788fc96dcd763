-- Deletes lanes that nothing refers to any more: those of endpoints that were deleted, and those of origins that
-- nobody wants to be called back at any more, once their last attempt is pruned.
--
-- Returns: of the second statement rows of (lane, is_callback), a row each.
--
-- A lane of callbacks may be wanted again at any moment, so the relay is kept out meanwhile: it would find the lane in
-- place and leave a delivery in one that is gone. Two statements, since the second has to see what was relayed before
-- it got its turn; sent together without parameters, they are one transaction. What was delivered has an attempt for as
-- long as its message is kept.
--
-- Plan: three index lookups a lane, by subqueries that cannot become a join over the whole table.
select pg_advisory_xact_lock(hashtextextended('claimline webhook relay', 0));

delete from webhook_lanes
where not exists (select from webhook_endpoints where id = lane)
  and (select 1 from webhook_attempts where webhook_attempts.lane = webhook_lanes.lane limit 1) is null
  and (
    select 1 from webhook_deliveries
    where webhook_deliveries.lane = webhook_lanes.lane and status = 'pending' limit 1
  ) is null
  and (
    select 1 from webhook_deliveries
    where webhook_deliveries.lane = webhook_lanes.lane and status = 'exhausted' limit 1
  ) is null
returning lane, callback_origin is not null as is_callback;
