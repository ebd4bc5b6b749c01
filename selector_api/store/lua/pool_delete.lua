-- Delete a pool from which no run draws.
-- ARGV: incarnation
-- Returns 0 if runs are registered, otherwise 1: this incarnation is gone.
if redis.call('HGET', META, 'incarnation') ~= ARGV[1] then return 1 end
if redis.call('HLEN', RUNS) > 0 then return 0 end
redis.call('UNLINK', unpack(KEYS))
return 1
