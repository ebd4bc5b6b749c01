-- Commit outcomes that belong to no selection, once for their key.
-- ARGV: incarnation, idempotency field, the key (JSON), outcomes (JSON, joined by commas)
-- Returns {unknown-run}, {replaced}, or {counted | duplicate, step}.
local known_incarnation, field, key, outcomes = unpack(ARGV)

local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-run'} end
if incarnation ~= known_incarnation then return {'replaced'} end
local at = now()
expire_due(at)
if redis.call('HSETNX', IDEMPOTENCY, field, '') == 0 then
  return {'duplicate', tonumber(redis.call('HGET', META, 'step'))}
end
local step = redis.call('HINCRBY', META, 'step', 1)
append('committed', at, '"selection":null,"key":' .. key .. ',"step":' .. digits(step)
  .. ',"reason":"unsolicited","outcomes":[' .. outcomes .. ']')
return {'counted', step}
