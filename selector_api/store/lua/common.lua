-- Put before every script of a run, behind LOG_VERSION. KEYS as in keys.py, RunKeys.
local META, LOG, LEASES, SELECTIONS, OUTCOMES, IDEMPOTENCY, SNAPSHOT = unpack(KEYS)

-- A number as digits: tostring() would turn unix milliseconds into 1.7e+12.
local function digits(number)
  return string.format('%.0f', number)
end

-- Unix milliseconds. The only clock there is: replicas' clocks do not matter.
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Append an event; `fields` are its further JSON fields. Returns the event.
local function append(kind, at, fields)
  local event = '{"type":"' .. kind .. '","at":' .. digits(at) .. ',' .. fields .. '}'
  redis.call('RPUSH', LOG, event)
  return event
end

-- SHA-1 of the event with this seq: replicas notice by it that a log lost events which they know.
local function digest_at(seq)
  return redis.sha1hex(redis.call('LINDEX', LOG, seq - 1) or '')
end

-- From now on the log holds what only version 2 knows.
local function upgrade()
  redis.call('HSET', META, 'version', LOG_VERSION)
end

-- A selection is open, then closed (committed or released), then complete (an outcome of every task counted).
local function read_selection(id)
  local record = redis.call('HGET', SELECTIONS, id)
  if not record then return nil end
  local seq, status, known = string.match(record, '^(%d+):(%a+):(%d+)$')
  return {id = id, seq = tonumber(seq), status = status, known = tonumber(known)}
end

local function write_selection(selection)
  local record = selection.seq .. ':' .. selection.status .. ':' .. selection.known
  redis.call('HSET', SELECTIONS, selection.id, record)
end

local function event_of(selection)
  return redis.call('LINDEX', LOG, selection.seq - 1)
end

local function tasks_of(selection)
  return cjson.decode(event_of(selection)).tasks
end

local function outcome_field(selection, task)
  return selection.id .. ':' .. task
end

-- Append one commit of these outcomes (JSON, in the selection's order).
local function commit(selection, at, reason, outcomes)
  local step = redis.call('HINCRBY', META, 'step', 1)
  append('committed', at, '"selection":"' .. selection.id .. '","step":' .. digits(step)
    .. ',"reason":"' .. reason .. '","outcomes":[' .. table.concat(outcomes, ',') .. ']')
end

-- Write a closed selection. What was counted is remembered by task until every task is counted.
local function settle(selection, tasks, counted)
  if selection.known == #tasks then
    selection.status = 'complete'
    for _, task in ipairs(tasks) do
      redis.call('HDEL', OUTCOMES, outcome_field(selection, task))
    end
  else
    selection.status = 'closed'
    for _, task in ipairs(counted) do
      redis.call('HSET', OUTCOMES, outcome_field(selection, task), '')
    end
  end
  write_selection(selection)
end

-- Close an open selection: commit what is known of it, or release it if that is nothing.
local function close(selection, at, reason)
  redis.call('ZREM', LEASES, selection.id)
  if selection.known == 0 then
    append('released', at, '"selection":"' .. selection.id .. '","reason":"' .. reason .. '"')
    selection.status = 'closed'
    write_selection(selection)
    return
  end
  local tasks, counted, outcomes = tasks_of(selection), {}, {}
  for _, task in ipairs(tasks) do
    local outcome = redis.call('HGET', OUTCOMES, outcome_field(selection, task))
    if outcome then
      counted[#counted + 1] = task
      outcomes[#outcomes + 1] = outcome
    end
  end
  commit(selection, at, reason, outcomes)
  settle(selection, tasks, counted)
end

-- Close the selections whose lease has ended, in the order in which they ended.
local function expire_due(at)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', digits(at))) do
    close(read_selection(id), at, 'lease')
  end
end

-- The `selected` event that an idempotency field stands for, nil if it is new.
local function event_of_key(field)
  local id = redis.call('HGET', IDEMPOTENCY, field)
  if not id then return nil end
  return event_of(read_selection(id))
end

-- Nothing is done to a run whose log is of a later version. Runs of release 0.1 do not tell it: theirs is 1.
local version = tonumber(redis.call('HGET', META, 'version') or 1)
if version > LOG_VERSION then
  return redis.error_reply('UNREADABLE log version ' .. version .. ' is not known here (this is version ' .. LOG_VERSION
    .. '): use the release that wrote it, or a later one')
end
