-- Forgets a key, in the background however large it is.
-- KEYS: 1 the key
return redis.call('UNLINK', KEYS[1])
