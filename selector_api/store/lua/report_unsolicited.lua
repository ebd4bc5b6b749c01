-- Take outcomes that belong to no selection, as a commit or as an evaluation; of each idempotency field the first stands.
-- ARGV: incarnation, number of the run's tasks as the caller knows them, of which Redis may have lost some, `committed` or
--   `observed`, the key (JSON), outbox (see outbox.lua), then for each outcome its idempotency field, its task (JSON) and
--   itself
-- Returns {unknown-run}, {replaced} (the tasks, too), {past-horizon} (outcomes were counted under this key, so long ago
--   that it is not kept which), or
--   {ok, accepted, duplicates, step, numbers of the outcomes that differ, from 1, and what note_report tells}.
local known_incarnation, tasks, kind, key, outbox = unpack(ARGV, 1, 5)

local known = redis.call('HMGET', META, 'incarnation', 'tasks')
if not known[1] then return {'unknown-run'} end
if known[1] ~= known_incarnation or tonumber(known[2]) < tonumber(tasks) then return {'replaced'} end
for i = 6, #ARGV, 3 do
  if is_forgotten(ARGV[i]) then return {'past-horizon'} end
end
local at = now()
expire_due(at)
local rows, duplicates, differing = {}, 0, {}
for i = 6, #ARGV, 3 do
  local field, task, outcome = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('HSETNX', IDEMPOTENCY, field, outcome) == 1 then
    rows[#rows + 1] = '[' .. task .. ',' .. outcome .. ']'
  elseif is_same(redis.call('HGET', IDEMPOTENCY, field), outcome) then
    duplicates = duplicates + 1
  else
    differing[#differing + 1] = (i - 3) / 3
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
