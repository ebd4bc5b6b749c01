-- Take outcomes of a selection, whole or not at all; the first outcome of a task stands.
-- ARGV: selection, final (0 or 1), then for each outcome its task and itself (JSON)
-- Returns {unknown-run}, {unknown-selection}, {task-not-in-selection, task}, or
--   {ok, accepted, duplicates, remaining, committed (0 or 1), step}.
local id, final = ARGV[1], ARGV[2] == '1'

if redis.call('EXISTS', META) == 0 then return {'unknown-run'} end
local selection = read_selection(id)
if not selection then return {'unknown-selection'} end
local tasks, members = tasks_of(selection), {}
for _, task in ipairs(tasks) do members[task] = true end
for i = 3, #ARGV, 2 do
  if not members[ARGV[i]] then return {'task-not-in-selection', ARGV[i]} end
end

local at = now()
expire_due(at)
selection = read_selection(id)

local fresh, accepted, duplicates = {}, 0, 0
for i = 3, #ARGV, 2 do
  local task = ARGV[i]
  if selection.status == 'complete' or fresh[task]
    or redis.call('HEXISTS', OUTCOMES, outcome_field(selection, task)) == 1 then
    duplicates = duplicates + 1
  else
    fresh[task] = ARGV[i + 1]
    accepted = accepted + 1
  end
end
selection.known = selection.known + accepted

if selection.status == 'open' then
  for task, outcome in pairs(fresh) do
    redis.call('HSET', OUTCOMES, outcome_field(selection, task), outcome)
  end
  if selection.known == #tasks then
    close(selection, at, 'complete')
  elseif final then
    close(selection, at, 'final')
  else
    write_selection(selection)
  end
elseif accepted > 0 then
  local counted, outcomes = {}, {}
  for _, task in ipairs(tasks) do
    if fresh[task] then
      counted[#counted + 1] = task
      outcomes[#outcomes + 1] = fresh[task]
    end
  end
  commit(selection, at, 'late', outcomes)
  settle(selection, tasks, counted)
end

local committed = selection.status ~= 'open' and selection.known > 0
return {'ok', accepted, duplicates, #tasks - selection.known, committed and 1 or 0,
  tonumber(redis.call('HGET', META, 'step'))}
