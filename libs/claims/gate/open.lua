-- Opens the gate for a coupon's epoch, after who holds a claim was written (hold.lua).
-- KEYS: 1 coupon, 2 queued
-- ARGV: 1 epoch, 2 revision, 3 remaining, 4 status, 5 starts ms or "", 6 ends ms or "", 7 limit
-- Does nothing when the gate is open for this epoch or a newer one. Returns the epoch that was known
-- before, 0 for none.
local known = tonumber(redis.call('HGET', KEYS[1], 'epoch'))
if known and known >= tonumber(ARGV[1]) then
  return known
end
local in_line = redis.call('HLEN', KEYS[2])
local line = math.max(tonumber(redis.call('HGET', KEYS[1], 'line')) or 0, in_line)
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'revision', ARGV[2], 'remaining', ARGV[3],
  'status', ARGV[4], 'starts', ARGV[5], 'ends', ARGV[6], 'limit', ARGV[7],
  'line', line, 'done', line - in_line)
return known or 0
