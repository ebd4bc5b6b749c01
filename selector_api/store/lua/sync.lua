-- Close what is due and read what follows the events that the caller knows.
-- ARGV: incarnation, number of events known, number of events wanted, idempotency field or ''
-- Returns {unknown-run}, {replaced} (another incarnation), or
--   {ok, length of the log, the field's `selected` event or '', events}.
local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-run'} end
if incarnation ~= ARGV[1] then return {'replaced'} end

expire_due(now())
local first = tonumber(ARGV[2])
local events = redis.call('LRANGE', LOG, first, first + tonumber(ARGV[3]) - 1)
return {'ok', redis.call('LLEN', LOG), event_of_key(ARGV[4]) or '', events}
