-- Put before every script of a run, behind common.lua: selections, and how they end.

-- A selection is `open`; `ending` while nothing more is awaited but some of its outcomes wait for a commit; `closed`.
-- Of one that ended although tasks were left out, which count as dropped, it is `leaving` and `left`.
-- `known` tasks of it were reported or dropped, of which `dropped` were dropped and `entered` committed.
-- 0.2 wrote `complete` for closed selections of which all tasks are known, and did not note where they stand in the log.
local function read_selection(id)
  local record = redis.call('HGET', SELECTIONS, id)
  if not record then return nil end
  local seq, status, known, rest = string.match(record, '^(%d+):(%a+):(%d+)(.*)$')
  local entered, dropped, events = string.match(rest, '^:(%d+):(%d+):(.*)$')
  local selection = {id = id, seq = tonumber(seq), status = status, known = tonumber(known),
    dropped = tonumber(dropped or 0), events = events or ''}
  selection.entered = tonumber(entered or (status == 'open' and 0 or known))
  return selection
end

local function write_selection(selection)
  redis.call('HSET', SELECTIONS, selection.id, table.concat({selection.seq, selection.status, selection.known,
    selection.entered, selection.dropped, selection.events}, ':'))
end

local function is_closed(selection)
  return selection.status == 'closed' or selection.status == 'left' or selection.status == 'complete'
end

local function is_ending(selection)
  return selection.status == 'ending' or selection.status == 'leaving'
end

-- What callers are told: `open`, `committed` (it ended with evidence) or `released`.
local function status_of(selection)
  if not is_closed(selection) then return 'open' end
  return selection.entered > 0 and 'committed' or 'released'
end

local function waiting_of(selection)
  return selection.known - selection.dropped - selection.entered
end

local function event_of(selection)
  return event_at(selection.seq)
end

local function tasks_of(selection)
  return cjson.decode(event_of(selection)).tasks
end

-- The OUTCOMES fields of these tasks of a selection.
local function outcome_fields(selection, tasks)
  local fields = {}
  for i, task in ipairs(tasks) do fields[i] = selection.id .. ':' .. task end
  return fields
end

local function is_drop(outcome)
  return string.sub(outcome, 1, 1) == '"'
end

-- An outcome as it stands in a row, behind its place. 0.2 kept it as an object.
local function tail_of(outcome)
  if string.sub(outcome, 1, 1) ~= '{' then return outcome end
  return string.match(outcome, '"successes":([^,}]+)') .. ',' .. string.match(outcome, '"trials":(%d+)')
end

-- Successes, trials and whether it was informative, as far as that does not follow; nil for a drop.
local function values_of(outcome)
  local row = outcome
  if type(row) == 'string' then
    if is_drop(row) then return nil end
    row = cjson.decode('[0,' .. tail_of(row) .. ']')
  end
  return row[2], row[3], row[4] and row[4].informative
end

-- Whether two outcomes, drops among them, tell the same; '' may be anything.
local function is_same(one, other)
  if one == '' or one == other then return true end
  local successes, trials, informative = values_of(one)
  local successes2, trials2, informative2 = values_of(other)
  return successes == successes2 and trials == trials2 and informative == informative2
end

local function note_event(selection, seq)
  selection.events = selection.events .. (selection.events == '' and '' or ',') .. digits(seq)
end

-- Append the drops of a selection, each `[place,"why"]`. Tasks that it left out counted as dropped when it ended.
local function append_drops(selection, at, drops)
  local were_left_out = selection.status == 'leaving' or selection.status == 'left'
  local _, seq = append('dropped', at, '"selection":"' .. selection.id .. '","drops":[' .. table.concat(drops, ',') .. ']'
    .. (were_left_out and ',"left_out":true' or ''))
  note_event(selection, seq)
end

-- Append a commit. `cause`: id of the selection that it came of, nil for none; `parts`: pairs of a selection and its rows;
-- `closes`: ids of those that end with it.
local function append_commit(at, reason, cause, parts, closes)
  local step = redis.call('HINCRBY', META, 'step', 1)
  redis.call('HSET', META, 'committed_at', digits(at))
  local outcomes, closed = {}, {}
  for i, part in ipairs(parts) do
    outcomes[i] = '"' .. part[1].id .. '":[' .. table.concat(part[2], ',') .. ']'
  end
  for i, id in ipairs(closes) do closed[i] = '"' .. id .. '"' end
  local _, seq = append('committed', at, '"selection":' .. (cause and '"' .. cause .. '"' or 'null')
    .. ',"step":' .. digits(step) .. ',"reason":"' .. reason .. '","outcomes":{' .. table.concat(outcomes, ',')
    .. '},"closes":[' .. table.concat(closed, ',') .. ']')
  for _, part in ipairs(parts) do
    part[1].entered = part[1].entered + #part[2]
    note_event(part[1], seq)
  end
end

-- Write that a selection is over, and why: see `reason` in fold.py.
local function settle(selection, reason)
  redis.call('ZREM', LEASES, selection.id)
  selection.status = (reason == 'final' or selection.status == 'leaving') and 'left' or 'closed'
  write_selection(selection)
end

local function append_release(selection, at, reason)
  append('released', at, '"selection":"' .. selection.id .. '","reason":"' .. reason
    .. '","entered":' .. digits(selection.entered))
end

-- An outcome as it waits in PENDING: its selection, its task and its row.
local function pending_entry(selection, task, place, outcome)
  return selection.id .. ' ' .. #task .. ' ' .. task .. '[' .. place .. ',' .. tail_of(outcome) .. ']'
end

-- Commit the first `count` outcomes that wait, of whatever selections; ends those of which nothing more is awaited, and
-- `cause` (nil for none) if `cause_ends`.
local function commit_pending(count, at, reason, cause, cause_ends)
  local parts, by_id, closes, ending, fields = {}, {}, {}, {}, {}
  for _, entry in ipairs(redis.call('LPOP', PENDING, count)) do
    local id, length, rest = string.match(entry, '^(%S+) (%d+) (.*)$')
    local part = by_id[id]
    if not part then
      part = {cause and id == cause.id and cause or read_selection(id), {}}
      by_id[id] = part
      parts[#parts + 1] = part
    end
    table.insert(part[2], string.sub(rest, length + 1))
    fields[#fields + 1] = id .. ':' .. string.sub(rest, 1, length)
  end
  in_parts('HDEL', OUTCOMES, fields)
  for _, part in ipairs(parts) do
    local selection = part[1]
    if (is_ending(selection) and waiting_of(selection) == #part[2]) or (cause_ends and selection == cause) then
      closes[#closes + 1] = selection.id
      ending[selection] = true
    end
  end
  if cause_ends and not by_id[cause.id] and cause.entered > 0 then
    closes[#closes + 1] = cause.id
    ending[cause] = true
  end
  append_commit(at, reason, cause and cause.id, parts, closes)
  for _, part in ipairs(parts) do
    if not ending[part[1]] then write_selection(part[1]) end
  end
  for selection in pairs(ending) do settle(selection) end
end

-- Commit what waits as soon as it is enough, or once no lease is left whose end would commit it: late outcomes.
local function commit_enough(at, cause)
  while redis.call('LLEN', PENDING) >= commits_at do commit_pending(commits_at, at, 'count', cause, false) end
  local waiting = redis.call('LLEN', PENDING)
  if waiting > 0 and redis.call('ZCARD', LEASES) == 0 then commit_pending(waiting, at, 'late', cause, false) end
end

-- The outcomes of an open selection that wait, by place.
local function waiting_outcomes(selection, tasks)
  return in_parts('HMGET', OUTCOMES, outcome_fields(selection, tasks))
end

-- End an open selection: commit what waits of it, or release it if that is nothing. `fresh`, if there is any, has
-- outcomes by task (`of`) that OUTCOMES does not hold, and their `count`.
local function close(selection, at, reason, tasks, fresh)
  if commits_at then
    local waiting = redis.call('LLEN', PENDING)
    if waiting > 0 then commit_pending(waiting, at, reason, selection, true) end
    if not is_closed(selection) then
      append_release(selection, at, reason)
      settle(selection, reason)
    end
    return
  end
  local stored, rows, is_stored = {}, {}, waiting_of(selection) > (fresh and fresh.count or 0)
  if is_stored then stored = waiting_outcomes(selection, tasks) end
  for place, task in ipairs(tasks) do
    local outcome = fresh and fresh.of[task] or stored[place]
    if outcome then rows[#rows + 1] = '[' .. digits(place - 1) .. ',' .. tail_of(outcome) .. ']' end
  end
  if #rows > 0 then
    append_commit(at, reason, selection.id, {{selection, rows}}, {selection.id})
  else
    append_release(selection, at, reason)
  end
  settle(selection, reason)
  if is_stored then in_parts('HDEL', OUTCOMES, outcome_fields(selection, tasks)) end
end

-- Close selections whose lease has ended, in the order in which they ended: so many at most, since nobody else is served
-- meanwhile. Returns whether there may be more.
local MOST_EXPIRED = 200
local function expire_due(at)
  local due = redis.call('ZRANGEBYSCORE', LEASES, '-inf', digits(at), 'LIMIT', 0, MOST_EXPIRED)
  for _, id in ipairs(due) do
    local selection = read_selection(id)
    if not is_closed(selection) then close(selection, at, 'lease', tasks_of(selection)) end
  end
  return #due == MOST_EXPIRED
end

-- What is answered of a selection that there is not.
local function no_selection(id)
  return {is_forgotten(id) and 'past-horizon' or 'unknown-selection'}
end

-- What is told of a selection: {`selected` event, status, unix ms at which its lease ends}.
local function known_selection(id)
  local selection = read_selection(id)
  return {event_of(selection), status_of(selection), redis.call('ZSCORE', LEASES, id) or ''}
end
