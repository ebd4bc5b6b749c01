-- Commit outcomes that belong to no selection; of each key and task the first stands.
-- ARGV: incarnation, the key (JSON), then for each outcome its idempotency field and itself (JSON)
-- Returns {unknown-run}, {replaced}, or {ok, accepted, step}.
local known_incarnation, key = ARGV[1], ARGV[2]

local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-run'} end
if incarnation ~= known_incarnation then return {'replaced'} end
local at = now()
expire_due(at)
local fresh = {}
for i = 3, #ARGV, 2 do
  if redis.call('HSETNX', IDEMPOTENCY, ARGV[i], '') == 1 then fresh[#fresh + 1] = ARGV[i + 1] end
end
if #fresh > 0 then
  local step = redis.call('HINCRBY', META, 'step', 1)
  append('committed', at, '"selection":null,"key":' .. key .. ',"step":' .. digits(step)
    .. ',"reason":"unsolicited","outcomes":[' .. table.concat(fresh, ',') .. ']')
end
return {'ok', #fresh, tonumber(redis.call('HGET', META, 'step'))}
