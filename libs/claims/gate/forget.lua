-- Forgets the coupon as it was in an epoch and who held a claim, but not who is in line: the next claim
-- loads it again.
-- KEYS: 1 coupon, 2 held (of its claims epoch)   ARGV: 1 epoch
-- Returns 1, or 0 when the gate is in another epoch by now.
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'epoch', 'claims_epoch', 'revision')
redis.call('UNLINK', KEYS[2])
return 1
