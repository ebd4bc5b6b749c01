-- Keep no more what selections and outcomes were counted, but that they were: a repeated call is refused from now on.
-- ARGV: incarnation, then in the log's order pairs of an ended selection and its idempotency field, '' for none; or of ''
--   and the field of an outcome
-- Returns 1 if they are forgotten, 0 if it is another run or a selection of them still awaits something.
local incarnation = redis.call('HGET', META, 'incarnation')
if incarnation ~= ARGV[1] then return 0 end
local selections = {}
for i = 2, #ARGV, 2 do
  local selection = ARGV[i] ~= '' and read_selection(ARGV[i])
  if selection then
    if not is_closed(selection) or waiting_of(selection) > 0 then return 0 end
    selections[#selections + 1] = selection
  end
end

upgrade()
local ids, fields, added = {}, {}, {}
local function forget(name, among)
  among[#among + 1] = name
  local place, print = fingerprint(name)
  added[place] = (added[place] or '') .. print
end

for _, selection in ipairs(selections) do
  forget(selection.id, ids)
  if redis.call('EXISTS', OUTCOMES) == 1 then  -- 0.2 left there which tasks were counted
    in_parts('HDEL', OUTCOMES, outcome_fields(selection, tasks_of(selection)))
  end
end
for i = 2, #ARGV, 2 do
  local id, field = ARGV[i], ARGV[i + 1]
  -- The key of a selection that was given back may stand for another one by now.
  local stands = field ~= '' and redis.call('HGET', IDEMPOTENCY, field)
  if stands and (id == '' or stands == id) then forget(field, fields) end
end
for place, prints in pairs(added) do
  redis.call('HSET', FORGOTTEN, place, (redis.call('HGET', FORGOTTEN, place) or '') .. prints)
end
in_parts('HDEL', IDEMPOTENCY, fields)
in_parts('HDEL', SELECTIONS, ids)
redis.call('HINCRBY', META, 'forgotten', #ids)
return 1
