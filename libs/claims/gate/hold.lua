-- Remembers who holds a claim.
-- KEYS: 1 held (hash user -> "<how many> <ticket>")   ARGV: 1 seconds to remember, 2... user, value
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 0
