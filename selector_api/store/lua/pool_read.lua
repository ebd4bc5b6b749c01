-- Read the chunks that the caller does not know.
-- ARGV: incarnation as known or '', number of chunks known of it, SHA-1 of the last of them, number of chunks wanted
-- Returns {unknown-pool} or {ok, incarnation, number of chunks before those returned, number of chunks, chunks}. The
-- second number is 0 if what the caller knows is of another incarnation, or was lost by Redis.
local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-pool'} end
local first, length = tonumber(ARGV[2]), redis.call('LLEN', TASKS)
if incarnation ~= ARGV[1] or not is_chunk(ARGV[2], ARGV[3]) then first = 0 end
return {'ok', incarnation, first, length,
  redis.call('LRANGE', TASKS, first, first + tonumber(ARGV[4]) - 1)}
