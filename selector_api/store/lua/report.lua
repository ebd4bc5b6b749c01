-- Take outcomes and drops of a selection, whole or not at all; what came first of a task stands.
-- ARGV: selection, final (0 or 1), outbox (see outbox.lua), then for each its task and itself: `successes,trials[,{…}]`, or
--   why it was dropped (a JSON string)
-- Returns {unknown-run}, {unknown-selection}, {past-horizon}, {task-not-in-selection, task}, or
--   {ok, accepted, duplicates, differing, dropped, remaining, committed (0 or 1), step, up to ten tasks that differ,
--   the run's incarnation, and what note_report tells}.
local id, final, outbox = ARGV[1], ARGV[2] == '1', ARGV[3]

local incarnation = redis.call('HGET', META, 'incarnation')
if not incarnation then return {'unknown-run'} end
local selection = read_selection(id)
if not selection then return no_selection(id) end
local tasks, places = tasks_of(selection), {}
for i, task in ipairs(tasks) do places[task] = digits(i - 1) end
for i = 4, #ARGV, 2 do
  if not places[ARGV[i]] then return {'task-not-in-selection', ARGV[i]} end
end

local at = now()
expire_due(at)
selection = read_selection(id)

-- What stands of these tasks: outcomes as above or rows of the log, '' where only that something stands is known.
local function standing(wanted)
  local found, missing = {}, 0
  if selection.known == 0 then return found end
  for i, outcome in ipairs(in_parts('HMGET', OUTCOMES, outcome_fields(selection, wanted))) do
    if outcome then found[wanted[i]] = outcome else missing = missing + 1 end
  end
  if selection.status == 'complete' then  -- as 0.2 left it
    for _, task in ipairs(tasks) do found[task] = '' end
  end
  for seq in string.gmatch(missing > 0 and selection.events or '', '%d+') do
    local event = cjson.decode(event_at(seq))
    for _, row in ipairs(event.drops or event.outcomes[id]) do
      local task = type(row[1]) == 'number' and tasks[row[1] + 1] or row[1]
      found[task] = event.drops and cjson.encode(row[2]) or row
    end
  end
  return found
end

local reported = {}
for i = 4, #ARGV, 2 do reported[#reported + 1] = ARGV[i] end
local stands = standing(reported)
local fresh, kept, pending, drops = {count = 0, of = {}}, {}, {}, {}
local duplicates, differing = 0, {}
for i = 4, #ARGV, 2 do
  local task, outcome = ARGV[i], ARGV[i + 1]
  if stands[task] then
    if is_same(stands[task], outcome) then duplicates = duplicates + 1 else differing[#differing + 1] = task end
  else
    stands[task] = outcome
    local place = selection.status == 'open' and places[task] or cjson.encode(task)
    if is_drop(outcome) then
      drops[#drops + 1] = '[' .. place .. ',' .. outcome .. ']'
    else
      fresh.of[task] = outcome
      fresh.count = fresh.count + 1
      pending[fresh.count] = pending_entry(selection, task, place, outcome)
      kept[#kept + 1] = id .. ':' .. task
      kept[#kept + 1] = outcome
    end
  end
end
selection.known = selection.known + fresh.count + #drops
selection.dropped = selection.dropped + #drops
if #drops > 0 then append_drops(selection, at, drops) end

local was_open, complete = selection.status == 'open', selection.known == #tasks
local ends = was_open and (complete or final)
local reason = not complete and 'final' or selection.known == selection.dropped and 'dropped' or 'complete'

-- Under commits of so many the tasks that are left out at the end are free at once, as dropped ones are. An outcome of
-- theirs still counts when it comes.
local function drop_the_rest()
  local known, rest = standing(tasks), {}
  for i, task in ipairs(tasks) do
    if not known[task] and not fresh.of[task] then rest[#rest + 1] = '[' .. digits(i - 1) .. ',"left out"]' end
  end
  append('dropped', at, '"selection":"' .. id .. '","drops":[' .. table.concat(rest, ',') .. ']')
end

if commits_at then
  if ends and not complete then drop_the_rest() end
  if ends then selection.status = complete and 'ending' or 'leaving' end
  in_parts('HSET', OUTCOMES, kept)
  in_parts('RPUSH', PENDING, pending)
  if is_ending(selection) and waiting_of(selection) == 0 then
    append_release(selection, at, reason)
    settle(selection, reason)
  else
    write_selection(selection)
  end
  commit_enough(at, selection)
elseif ends then
  close(selection, at, reason, tasks, fresh)
elseif was_open then
  in_parts('HSET', OUTCOMES, kept)
  write_selection(selection)
elseif fresh.count + #drops > 0 then
  local rows = {}
  for _, task in ipairs(tasks) do
    if fresh.of[task] then rows[#rows + 1] = '[' .. cjson.encode(task) .. ',' .. fresh.of[task] .. ']' end
  end
  if #rows > 0 then append_commit(at, 'late', id, {{selection, rows}}, {}) end
  write_selection(selection)
end

local committed = selection.entered > 0 and waiting_of(selection) == 0
return {'ok', fresh.count, duplicates, #differing, #drops, #tasks - selection.known, committed and 1 or 0,
  tonumber(redis.call('HGET', META, 'step')), {unpack(differing, 1, math.min(10, #differing))},
  incarnation, note_report(outbox)}
