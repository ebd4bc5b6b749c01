-- Close what is due and read what follows the events that the caller knows.
-- ARGV: incarnation, number of events known, SHA-1 of the last of them or '', number of events wanted,
--   idempotency field or ''
-- Returns {unknown-run}, {replaced} (another incarnation, or a log that lost events which the caller knows), or
--   {ok, length of the log, what the field stands for (see common.lua) or '', whether more may be due (0 or 1), events}.
local known_incarnation, known, digest, wanted, field = unpack(ARGV)

local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-run'} end
if incarnation ~= known_incarnation then return {'replaced'} end
local first = tonumber(known)
if digest ~= '' and digest ~= digest_at(first) then return {'replaced'} end

local more_due = expire_due(now()) and 1 or 0
local events = redis.call('LRANGE', LOG, first, first + tonumber(wanted) - 1)
return {'ok', redis.call('LLEN', LOG), selection_of_key(field) or '', more_due, events}
