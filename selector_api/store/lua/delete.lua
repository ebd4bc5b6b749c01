-- Delete a run, if it still is this incarnation of it.
-- ARGV: incarnation
-- Returns 1 if it was deleted now.
if redis.call('HGET', META, 'incarnation') ~= ARGV[1] then return 0 end
redis.call('UNLINK', unpack(KEYS))
return 1
