-- Keeps a batch of attempts as a dead letter, unless it is written already.
--
-- Params: $1 uuid the writer, $2 bigint the number of the batch, $3 int its attempts, $4 text what was wrong,
--         $5 text the attempts as JSON
--
-- From now on the batch counts as one that the writer is done with. The letter has an identity of its own, by
-- which it is written when it is replayed.
with writer as (
  insert into validation_writers as known (id, batches) values ($1::uuid, $2::bigint)
  on conflict (id) do update set batches = excluded.batches, written_at = now() where known.batches < excluded.batches
  returning id
)
insert into validation_dead_letters (id, attempts, error, rows)
select gen_random_uuid(), $3::int, $4::text, $5::text from writer
