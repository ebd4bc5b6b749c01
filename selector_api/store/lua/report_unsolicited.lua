-- Take outcomes that belong to no selection, as a commit or as an evaluation; of each key and task the first stands.
-- ARGV: incarnation, `committed` or `observed`, the key (JSON), outbox (see outbox.lua), then for each outcome its
--   idempotency field, its task (JSON) and itself
-- Returns {unknown-run}, {replaced}, or
--   {ok, accepted, duplicates, step, numbers of the outcomes that differ, from 1, and what note_report tells}.
local known_incarnation, kind, key, outbox = unpack(ARGV, 1, 4)

local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-run'} end
if incarnation ~= known_incarnation then return {'replaced'} end
local at = now()
expire_due(at)
local rows, duplicates, differing = {}, 0, {}
for i = 5, #ARGV, 3 do
  local field, task, outcome = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('HSETNX', IDEMPOTENCY, field, outcome) == 1 then
    rows[#rows + 1] = '[' .. task .. ',' .. outcome .. ']'
  elseif is_same(redis.call('HGET', IDEMPOTENCY, field), outcome) then
    duplicates = duplicates + 1
  else
    differing[#differing + 1] = (i - 2) / 3
  end
end
if #rows > 0 then
  local list = '[' .. table.concat(rows, ',') .. ']'
  if kind == 'observed' then
    append(kind, at, '"key":' .. key .. ',"rows":' .. list)
  else
    local step = redis.call('HINCRBY', META, 'step', 1)
    redis.call('HSET', META, 'committed_at', digits(at))
    append(kind, at, '"selection":null,"key":' .. key .. ',"step":' .. digits(step)
      .. ',"reason":"unsolicited","outcomes":' .. list .. ',"closes":[]')
  end
end
return {'ok', #rows, duplicates, tonumber(redis.call('HGET', META, 'step')), differing, note_report(outbox)}
