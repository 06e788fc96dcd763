-- Settle: grants or refuses a batch of claims of one coupon. One statement, one transaction.
--
-- Params: $1 uuid    the coupon's identity
--         $2 text[]  tickets, in line order, each once
--         $3 text[]  user ids, one per ticket
--         $4 text[]  metadata as JSON text, or null, one per ticket
--         $5 text    the coupon's name when the claims were accepted, kept with a refusal if it is gone
-- Returns: rows of (payload), JSON texts {coupon, name, epoch, revision, remaining, at, outcomes},
--          with outcomes a list of [ticket, user, 'g', sequence, claim id, claims held] or
--          [ticket, user, 'r', reason, ticket of the claim already held or null].
--          The same texts are sent to channel claimline_settled when the transaction commits.
--          NO row: somebody else changed the coupon between this statement's snapshot and its
--          lock. Nothing was done; run it again.
--
-- What callers can rely on:
-- * A ticket that was decided before gets the same answer again (a job may run twice).
-- * The row lock decides between two settles of one coupon; whoever waited for it finds another
--   revision than in its snapshot and gives up rather than judge by what it can no longer see.
-- * Dedupe first, then the stock in line order: already_claimed wins over every state of the
--   sale, then paused, ended, not_started, then sold_out. gate.ts refuses in the same order.
-- * The database's clock decides the window.
--
-- Plan: every look into claims and refusals is one index lookup per claim, however large the
-- tables are: "offset 0" keeps the planner from turning the lookups into a hash join over the
-- whole table, and the connection that runs this has sequential scans switched off, since the
-- statement is prepared while the tables are small.

with claim as materialized (
  select ticket, user_id, metadata, n
  from unnest($2::text[], $3::text[], $4::text[]) with ordinality as line (ticket, user_id, metadata, n)
),
locked as materialized (
  select * from coupons where id = $1::uuid for update
),
coupon as materialized (
  select
    locked.*,
    locked.revision is distinct from (select revision from coupons where id = $1::uuid) as stale,
    case
      when locked.id is null then 'coupon_not_found'
      when locked.status = 'paused' then 'paused'
      when locked.status = 'ended' or locked.ends_at <= now() then 'ended'
      when locked.starts_at > now() then 'not_started'
    end as closed
  from (select) as always left join locked on true
),
seen as materialized (
  select
    claim.*,
    granted.id as granted_id, granted.sequence as granted_sequence,
    refused.reason as refused_reason,
    mine.held, mine.top
  from coupon
  join claim on not coupon.stale
  left join lateral (
    select id, sequence from claims where claims.ticket = claim.ticket offset 0
  ) granted on true
  left join lateral (
    select reason from refusals where refusals.ticket = claim.ticket and refusals.reason <> 'failed' offset 0
  ) refused on true
  cross join lateral (
    select count(*) as held, coalesce(max(ordinal), 0) as top
    from claims where claims.user_id = claim.user_id and claims.coupon_name = coupon.name
  ) mine
),
fresh as materialized (
  select seen.*, row_number() over (partition by user_id order by n) as nth
  from seen where granted_id is null and refused_reason is null
),
eligible as materialized (
  select fresh.*, fresh.top + fresh.nth as ordinal, row_number() over (order by n) as place
  from fresh cross join coupon
  where coupon.closed is null and fresh.held + fresh.nth <= coupon.per_user_limit
),
grants as (
  insert into claims (user_id, coupon_name, ordinal, sequence, ticket, metadata)
  select e.user_id, coupon.name, e.ordinal, coupon.granted_count + e.place, e.ticket, e.metadata::jsonb
  from eligible e cross join coupon
  where e.place <= coupon.remaining_amount
  order by e.place
  returning id, user_id, ticket, sequence, ordinal
),
total as materialized (
  select count(*) as granted from grants
),
taken as (
  update coupons
  set
    remaining_amount = coupons.remaining_amount - total.granted,
    granted_count = coupons.granted_count + total.granted,
    claimed_count = coupons.claimed_count + total.granted,
    revision = coupons.revision + 1
  from total cross join coupon
  where coupons.id = $1::uuid and not coupon.stale
),
refused as (
  insert into refusals (ticket, coupon_id, coupon_name, user_id, reason)
  select
    fresh.ticket, $1::uuid, coalesce(coupon.name, $5::text), fresh.user_id,
    case
      when coupon.id is not null and fresh.held + fresh.nth > coupon.per_user_limit then 'already_claimed'
      else coalesce(coupon.closed, 'sold_out')
    end
  from fresh cross join coupon
  where not exists (select from grants where grants.ticket = fresh.ticket)
  on conflict (ticket) do update set reason = excluded.reason, decided_at = excluded.decided_at
  returning ticket, user_id, reason
),
decided as (
  select
    seen.n,
    case
      when grants.id is not null
        then json_build_array(seen.ticket, seen.user_id, 'g', grants.sequence, grants.id, eligible.held + eligible.nth)
      when seen.granted_id is not null
        then json_build_array(seen.ticket, seen.user_id, 'g', seen.granted_sequence, seen.granted_id, seen.held)
      else json_build_array(
        seen.ticket, seen.user_id, 'r', coalesce(seen.refused_reason, refused.reason),
        case when coalesce(seen.refused_reason, refused.reason) = 'already_claimed' then coalesce(
          (select held.ticket from claims held
           where held.user_id = seen.user_id and held.coupon_name = coupon.name
           order by held.ordinal desc limit 1),
          (select same.ticket from grants same where same.user_id = seen.user_id order by same.ordinal desc limit 1)
        ) end
      )
    end as outcome
  from seen
  cross join coupon
  left join grants on grants.ticket = seen.ticket
  left join eligible on eligible.ticket = seen.ticket
  left join refused on refused.ticket = seen.ticket
),
message as (
  select json_build_object(
    'coupon', $1::uuid,
    'name', coalesce(coupon.name, $5::text),
    'epoch', coupon.epoch,
    'revision', coupon.revision + 1,
    'remaining', coupon.remaining_amount - total.granted,
    'at', round(extract(epoch from now()) * 1000),
    'outcomes', part.outcomes
  )::text as payload
  from (
    -- A notification may have 7,999 bytes. At 4,400 bytes of outcomes a part is cut; with the longest
    -- user id (1.5 kB escaped) over that and the longest name it stays below. Usually 40 outcomes.
    select json_agg(outcome order by n) as outcomes
    from (
      select n, outcome, (sum(octet_length(outcome::text)) over (order by n))::int / 4400 as part from decided
    ) sized
    group by part order by part
  ) part
  cross join coupon cross join total
)
select payload, pg_notify('claimline_settled', payload) from message
