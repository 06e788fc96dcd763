-- Takes over a coupon's terms of a newer epoch, where who holds a claim is known and is the same.
-- KEYS: 1 coupon, 2 held (of that claims epoch)
-- ARGV: 1 epoch, 2 claims epoch, 3 revision, 4 remaining, 5 status, 6 starts ms or "", 7 ends ms or "", 8 limit
-- Returns 1, also when the gate is open for this epoch or a newer one, or 0 when the coupon is to be loaded.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'claims_epoch', 'revision')
local epoch = tonumber(known[1])
if not epoch then
  return 0
end
if epoch > tonumber(ARGV[1]) then
  return 1
end
if known[2] ~= ARGV[2] then
  return 0
end
if epoch == tonumber(ARGV[1]) then
  return 1
end
-- Whatever raises the epoch raises the revision. A gate that is not behind it as well remembers what is no more, as
-- after a restore of the database, and may know holders who are none.
if tonumber(known[3]) >= tonumber(ARGV[3]) then
  redis.call('HDEL', KEYS[1], 'epoch', 'claims_epoch', 'revision')
  redis.call('UNLINK', KEYS[2])
  return 0
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'revision', ARGV[3], 'remaining', ARGV[4],
  'status', ARGV[5], 'starts', ARGV[6], 'ends', ARGV[7], 'limit', ARGV[8])
return 1
