-- Reads what the gate knows of a coupon.
-- KEYS: 1 coupon, 2 tickets
-- Returns {epoch, claims epoch, revision, remaining, status, starts ms or "", ends ms or "", limit, places in line},
-- with false for the epoch where nothing is known.
local coupon = redis.call('HMGET', KEYS[1],
  'epoch', 'claims_epoch', 'revision', 'remaining', 'status', 'starts', 'ends', 'limit')
coupon[9] = redis.call('HLEN', KEYS[2])
return coupon
