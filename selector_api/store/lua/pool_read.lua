-- Read the chunks that the caller does not know.
-- ARGV: incarnation as known or '', number of chunks known of it, number of chunks wanted
-- Returns {unknown-pool} or {ok, incarnation, number of chunks, chunks}; all of them are new if the incarnation is.
local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-pool'} end
local first = incarnation == ARGV[1] and tonumber(ARGV[2]) or 0
return {'ok', incarnation, redis.call('LLEN', TASKS),
  redis.call('LRANGE', TASKS, first, first + tonumber(ARGV[3]) - 1)}
