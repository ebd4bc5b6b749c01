-- Append a selection, if it was drawn from the run as it is now.
-- ARGV: incarnation, length of the log it was drawn from, idempotency field, selection id, lease in ms,
--   further event fields
-- Returns {unknown-run}, {replaced}, {moved}, {made, event}, or {exists, event} if the field is known.
local known_incarnation, drawn_from, field, id, lease, fields = unpack(ARGV)

local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-run'} end
if incarnation ~= known_incarnation then return {'replaced'} end
local known = event_of_key(field)
if known then return {'exists', known} end

-- What became due since the caller's sync may stay open until the next one.
if redis.call('LLEN', LOG) ~= tonumber(drawn_from) then return {'moved'} end

local at = now()
local expires_at = digits(at + tonumber(lease))
local event = append('selected', at, '"expires_at":' .. expires_at .. ',' .. fields)
write_selection({id = id, seq = tonumber(drawn_from) + 1, status = 'open', known = 0})
redis.call('ZADD', LEASES, expires_at, id)
redis.call('HSET', IDEMPOTENCY, field, id)
return {'made', event}
