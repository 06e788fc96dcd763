-- Opens the gate for a coupon's epoch, after who holds a claim was written (hold.lua).
-- KEYS: 1 coupon, 2 queued
-- ARGV: 1 epoch, 2 claims epoch, 3 revision, 4 remaining, 5 status, 6 starts ms or "", 7 ends ms or "", 8 limit
-- Does nothing when the gate is open for this epoch or a newer one. Returns the claims epoch that was known
-- before, 0 for none or where nothing was done.
local known = redis.call('HMGET', KEYS[1], 'epoch', 'claims_epoch', 'line')
local epoch = tonumber(known[1]) or 0
if epoch > tonumber(ARGV[1]) or epoch == tonumber(ARGV[1]) and known[2] == ARGV[2] then
  return 0
end
local in_line = redis.call('HLEN', KEYS[2])
local line = math.max(tonumber(known[3]) or 0, in_line)
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'claims_epoch', ARGV[2], 'revision', ARGV[3], 'remaining', ARGV[4],
  'status', ARGV[5], 'starts', ARGV[6], 'ends', ARGV[7], 'limit', ARGV[8],
  'line', line, 'done', line - in_line)
return tonumber(known[2]) or 0
