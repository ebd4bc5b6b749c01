-- Note what is retired or restored, if nothing else was since the caller looked.
-- ARGV: incarnation, number of entries known, the new entry (JSON)
-- Returns {unknown-pool}, {moved} or {ok}.
local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-pool'} end
if incarnation ~= ARGV[1] or redis.call('LLEN', RETIREMENTS) ~= tonumber(ARGV[2]) then return {'moved'} end
redis.call('RPUSH', RETIREMENTS, ARGV[3])
return {'ok'}
