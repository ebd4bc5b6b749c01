-- Note what is retired or restored, if nothing else was since the caller looked.
-- ARGV: incarnation, number of entries known, number of tasks known, of which Redis may have lost some, the new entry (JSON)
-- Returns {unknown-pool}, {moved} or {ok}.
local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-pool'} end
if incarnation ~= ARGV[1] or redis.call('LLEN', RETIREMENTS) ~= tonumber(ARGV[2])
  or tonumber(redis.call('HGET', META, 'tasks')) < tonumber(ARGV[3]) then
  return {'moved'}
end
redis.call('RPUSH', RETIREMENTS, ARGV[4])
return {'ok'}
