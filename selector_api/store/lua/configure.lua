-- Change a run's configuration, if it is as the caller read it.
-- ARGV: incarnation, the configuration as read, the new one (both JSON), when outcomes enter from now on, event fields
-- Returns {unknown-run}, {replaced}, {moved}, {waits, number of outcomes} or {ok}. Outcomes that wait for a commit are
--   kept in another way for each kind of commit: that does not change while there are any.
local incarnation, before, after, enter, fields = unpack(ARGV)

local known = redis.call('HMGET', META, 'incarnation', 'config')
if not known[1] then return {'unknown-run'} end
if known[1] ~= incarnation then return {'replaced'} end
if known[2] == after then return {'ok'} end
if known[2] ~= before then return {'moved'} end
local at = now()
expire_due(at)
if (commits_at == nil) ~= (tonumber(enter) == nil) then
  local waiting = redis.call('LLEN', PENDING)
  for _, id in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do waiting = waiting + read_selection(id).known end
  if waiting > 0 then return {'waits', waiting} end
end
redis.call('HSET', META, 'config', after, 'commit', enter)
redis.call('HINCRBY', META, 'changes', 1)
upgrade()
append('configured', at, fields)
return {'ok'}
