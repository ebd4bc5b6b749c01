-- Enter a run that draws from the pool.
-- ARGV: run, token of the registration
-- Returns {unknown-pool} or {ok, incarnation, number of tasks, number of chunks}.
local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-pool'} end
redis.call('HSET', RUNS, ARGV[1], ARGV[2])
redis.call('HINCRBY', META, 'registrations', 1)
return {'ok', incarnation, tonumber(redis.call('HGET', META, 'tasks') or 0), redis.call('LLEN', TASKS)}
