-- Let tasks be drawn no more, or again, by this run.
-- ARGV: incarnation, kind of the event, its further fields
-- Returns {unknown-run}, {replaced} or {ok}.
local known = redis.call('HGET', META, 'incarnation')
if not known then return {'unknown-run'} end
if known ~= ARGV[1] then return {'replaced'} end
redis.call('HINCRBY', META, 'changes', 1)
upgrade()
append(ARGV[2], now(), ARGV[3])
return {'ok'}
