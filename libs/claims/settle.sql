-- Settle: grants or refuses a batch of claims of one coupon. One statement, one transaction.
--
-- Params: $1 uuid    the coupon's identity
--         $2 text[]  tickets, in line order, each once
--         $3 text[]  user ids, one per ticket
--         $4 text[]  metadata as JSON text, or null, one per ticket
--         $5 text    the coupon's name when the claims were accepted, kept with a refusal if it is gone
--         $6 text    null, or the code of the coupon's book that is to be granted and no other
--         $7 text    with $6, the address of who wants it, for the audit
--         $8 text    with $6, their user agent
--         $9 text[]  null, or the callback addresses of these claims or null, one per ticket
-- Returns: rows of (payload), JSON texts {coupon, name, epoch, claims_epoch, revision, remaining, at,
--          outcomes}, with outcomes a list of [ticket, user, 'g', sequence, claim id, claims held], with 'c' in
--          place of 'g' where a code comes with it (read it from assignments, by the claim's id), or
--          [ticket, user, 'r', reason, ticket of the claim already held or null], each with the time in
--          ms at the end where it was decided before.
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
-- * A claim on a coupon that has a book takes a code with it: those next in the order of random_key. The
--   coupon's lock is the book's lock, and whatever changes the book raises the coupon's revision.
-- * What is decided here is told to merchants: the outbox row commits with it, or neither does.
-- * What stands between --{ and --} is for books and for callback addresses. settle.ts leaves it out, with the
--   lines after --| in its place, where there are no addresses and while a coupon is not known to have a book;
--   such a statement treats a coupon with a book as stale.
--
-- Plan: two index lookups per claim, however large the tables are: a lateral aggregate cannot
-- become a hash join over the whole table, and the connection that runs this has sequential scans
-- switched off, since the statement is prepared while the tables are small. What follows is window
-- functions over the batch and no join: joining the inserted rows back by ticket was quadratic.
-- Measured with 500,000 claims stored, 2 cores, fsync on: 31 us a claim in batches of 500 (of which the
-- foreign key 5), 40 in batches of 100, and 1.6 ms for a batch of one. The outbox adds to that 0.05 ms for each
-- statement and nothing that can be measured for each claim while there is no endpoint, and a fifth with one.

with claim as materialized (
--{
  select ticket, user_id, metadata, callback_url, n
  from unnest($2::text[], $3::text[], $4::text[], $9::text[])
    with ordinality as line (ticket, user_id, metadata, callback_url, n)
--|  select ticket, user_id, metadata, n
--|  from unnest($2::text[], $3::text[], $4::text[]) with ordinality as line (ticket, user_id, metadata, n)
--}
),
locked as materialized (
  select * from coupons where id = $1::uuid for update
),
coupon as materialized (
  select
    locked.*,
    locked.revision is distinct from (select revision from coupons where id = $1::uuid)
--{
--|      or coalesce(locked.has_book, false)
--}
      as stale,
    case
      when locked.id is null then 'coupon_not_found'
      when locked.status = 'paused' then 'paused'
      when locked.status = 'ended' or locked.ends_at <= now() then 'ended'
      when locked.starts_at > now() then 'not_started'
    end as closed
  from (select) as always left join locked on true
),
--{
wanted as materialized (
  select coalesce(sum(least(remaining_amount, cardinality($2::text[])))
    filter (where has_book and closed is null and not stale), 0) as codes
  from coupon
),
picked as materialized (
  select code, random_key, row_number() over () as place
  from (
    (
      select code, random_key from codes
      where coupon_name = (select name from coupon) and $6::text is null
        and random_key >= (select book_position from coupon)
        -- Of equal keys, one may have left and the other not.
        and (random_key > (select book_position from coupon)
          or (select claim_id from assignments where assignments.code = codes.code) is null)
      order by random_key limit (select codes from wanted)
    )
    union all
    (
      select code, null from codes
      where code = $6::text and coupon_name = (select name from coupon)
        and (select claim_id from assignments where assignments.code = codes.code) is null
      limit (select codes from wanted)
    )
  ) next
),
--}
seen as (
  select
    claim.*, coupon.closed, coupon.name, coupon.granted_count,
--{
    case when coupon.has_book then (select count(*) from picked) else coupon.remaining_amount end as remaining_amount,
--|    coupon.remaining_amount,
--}
    coalesce(coupon.per_user_limit, 1) as per_user_limit,
    mine.held, mine.top, mine.granted_id, mine.granted_sequence, mine.held_ticket,
    refused.reason as known_reason, coalesce(mine.granted_at, refused.decided_at) as known_at,
    mine.granted_id is null and refused.reason is null as is_new
  from coupon
  join claim on not coupon.stale
  cross join lateral (
    select
      count(*) as held, coalesce(max(ordinal), 0) as top, max(mine.ticket) as held_ticket,
      max(id) filter (where mine.ticket = claim.ticket) as granted_id,
      max(sequence) filter (where mine.ticket = claim.ticket) as granted_sequence,
      max(created_at) filter (where mine.ticket = claim.ticket) as granted_at
    from claims mine where mine.user_id = claim.user_id and mine.coupon_name = coupon.name
  ) mine
  cross join lateral (
    select max(reason) as reason, max(decided_at) as decided_at
    from refusals where refusals.ticket = claim.ticket and refusals.reason <> 'failed'
  ) refused
),
numbered as (
  select *, case when is_new then row_number() over (partition by user_id, is_new order by n) end as nth
  from seen
),
placed as (
  select
    *,
    case when closed is null and held + nth <= per_user_limit
      then count(*) filter (where closed is null and held + nth <= per_user_limit) over (order by n)
    end as place
  from numbered
),
judged as materialized (
  select
    *,
    place <= remaining_amount as is_granted,
    case when place <= remaining_amount then nextval('claims_id_seq') end as new_id,
    -- A person's second claim in a batch is over the limit only if the first was granted.
    coalesce(known_reason, case
      when held + count(*) filter (where place <= remaining_amount) over (partition by user_id order by n)
        >= per_user_limit then 'already_claimed'
      else coalesce(closed, 'sold_out')
    end) as reason
  from placed
),
grants as (
  insert into claims (id, user_id, coupon_name, ordinal, sequence, ticket, metadata)
  select new_id, user_id, name, top + nth, granted_count + place, ticket, metadata::jsonb
  from judged where is_granted
),
--{
-- Two lists in step, without a join: those who were granted, in the order of their CTE, and the codes.
given as (
  select code, claim_id, user_id, metadata
  from unnest(
    array(select new_id from judged where is_granted and (select has_book from coupon)),
    array(select user_id from judged where is_granted and (select has_book from coupon)),
    array(select metadata from judged where is_granted and (select has_book from coupon)),
    array(select code from picked order by place)
  ) as pair (claim_id, user_id, metadata, code)
  where claim_id is not null
),
assigned as (
  insert into assignments (claim_id, code, coupon_id, user_id)
  select claim_id, code, $1::uuid, user_id from given
),
-- A code that is granted by name leaves the order of the others.
taken_out as (
  update codes set random_key = '-infinity' where code = $6::text and exists (select from given)
),
audited as (
  insert into code_audit
    (claim_id, code, action, actor, user_id, status_before, status_after, address, agent, metadata)
  select claim_id, code, 'assign', case when $6::text is null then 'claim' else 'operator' end, user_id,
    'available', 'assigned', $7::text, $8::text, metadata::jsonb
  from given
),
--}
refused as (
  insert into refusals (ticket, coupon_id, coupon_name, user_id, reason)
  select ticket, $1::uuid, coalesce(name, $5::text), user_id, reason
  from judged where is_new and is_granted is not true
  on conflict (ticket) do update set reason = excluded.reason, decided_at = excluded.decided_at
),
total as materialized (
  select count(*) filter (where is_granted) as granted from judged
),
taken as (
  update coupons
  set
    remaining_amount = coupons.remaining_amount - total.granted,
    granted_count = coupons.granted_count + total.granted,
    claimed_count = coupons.claimed_count + total.granted,
--{
    book_position = coalesce((select random_key from picked where place = total.granted), coupons.book_position),
--}
    revision = coupons.revision + 1
  from total cross join coupon
  where coupons.id = $1::uuid and not coupon.stale
),
decided as (
  select
    n, is_new,
--{
    ticket, callback_url,
--}
    case
      when is_granted then json_build_array(ticket, user_id, kind, granted_count + place, new_id, held + nth)
      when granted_id is not null
        then json_build_array(ticket, user_id, kind, granted_sequence, granted_id, held, known_ms)
      else json_build_array(ticket, user_id, 'r', reason, case when reason = 'already_claimed'
        then coalesce(held_ticket, max(ticket) filter (where is_granted) over (partition by user_id)) end, known_ms)
    end::text as outcome
  from (
    select *, floor(extract(epoch from known_at) * 1000) as known_ms,
--{
      case when (select has_book from coupon) then 'c' else 'g' end as kind
--|      'g' as kind
--}
    from judged
  ) judged
),
-- A row for 500 outcomes, which the relay makes messages of.
told as (
  insert into outbox
    (subject, coupon_name, events, outcomes, is_sold_out
--{
    , callbacks
--}
    )
  select
    $1::uuid::text, coalesce(coupon.name, $5::text), count(*), '[' || string_agg(outcome, ',' order by n) || ']',
    coupon.remaining_amount = total.granted and total.granted > 0 and bool_or(n = last)
--{
    , jsonb_object_agg(ticket, callback_url) filter (where callback_url is not null)
--}
  from (
    select *, (row_number() over (order by n) - 1) / 500 as part, max(n) over () as last
    from decided where is_new
  ) new
  cross join coupon cross join total
  where exists (select from webhook_endpoints)
--{
    or $9::text[] is not null
--}
  group by part, coupon.name, coupon.remaining_amount, total.granted
),
message as (
  select json_build_object(
    'coupon', $1::uuid,
    'name', coalesce(coupon.name, $5::text),
    'epoch', coupon.epoch,
    'claims_epoch', coupon.claims_epoch,
    'revision', coupon.revision + 1,
    'remaining', coupon.remaining_amount - total.granted,
    'at', floor(extract(epoch from now()) * 1000),
    'outcomes', part.outcomes::json
  )::text as payload
  from (
    -- A notification may have 7,999 bytes. At 4,400 bytes of outcomes a part is cut; with the longest
    -- user id (1.5 kB escaped) over that and the longest name it stays below. Usually 40 outcomes.
    select '[' || string_agg(outcome, ',' order by n) || ']' as outcomes
    from (
      select n, outcome, (sum(octet_length(outcome)) over (order by n))::int / 4400 as part from decided
    ) sized
    group by part order by part
  ) part
  cross join coupon cross join total
)
select payload, pg_notify('claimline_settled', payload) from message
