-- Enter a run that draws from the pool.
-- ARGV: run, token of the registration
-- Returns {unknown-pool} or {ok, incarnation, number of tasks}.
local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-pool'} end
redis.call('HSET', RUNS, ARGV[1], ARGV[2])
return {'ok', incarnation, tonumber(redis.call('HGET', META, 'tasks') or 0)}
