-- Create a run.
-- ARGV: incarnation, config (canonical JSON), pool, pool's incarnation, number of tasks, further event fields
-- Returns {created | exists | conflict | orphan}; orphan: its pool was deleted.
local incarnation, config, pool, pool_incarnation, tasks, fields = unpack(ARGV)

local known = redis.call('HMGET', META, 'incarnation', 'config', 'pool_incarnation')
if known[1] then
  if known[2] ~= config then return {'conflict'} end
  if known[3] ~= pool_incarnation then return {'orphan'} end
  return {known[1] == incarnation and 'created' or 'exists'}
end
redis.call('HSET', META, 'incarnation', incarnation, 'config', config, 'pool', pool,
  'pool_incarnation', pool_incarnation, 'tasks', tasks, 'step', 0, 'version', LOG_VERSION)
append('created', now(), fields)
return {'created'}
