-- Put before every script of a run, behind LOG_VERSION. KEYS as in keys.py, RunKeys.
local META, LOG, LEASES, SELECTIONS, OUTCOMES, IDEMPOTENCY, SNAPSHOT, PENDING, SEGMENTS, FORGOTTEN = unpack(KEYS)

-- Nothing is done to a run whose log is of a later version. Runs of release 0.1 do not tell it: theirs is 1.
local version, commits_at, ahead, packed = unpack(redis.call('HMGET', META, 'version', 'commit', 'ahead', 'packed'))
version = tonumber(version or 1)
if version > LOG_VERSION then
  return redis.error_reply('UNREADABLE log version ' .. version .. ' is not known here (this is version ' .. LOG_VERSION
    .. '): use the release that wrote it, or a later one')
end
-- Milliseconds by which the log's time is ahead of Redis' clock, which went back.
ahead = tonumber(ahead or 0)
-- Number of events before LOG, which are in segments of so many each.
packed = tonumber(packed or 0)
-- How many outcomes a commit waits for, nil if it waits for their selection.
commits_at = tonumber(commits_at or '')

-- A number as digits: tostring() would turn unix milliseconds into 1.7e+12.
local function digits(number)
  return string.format('%.0f', number)
end

-- Unix milliseconds by Redis' clock, the only one there is: replicas' clocks do not matter. In a log they never go back:
-- where the clock did, they go on from the last event's, until the clock has caught up.
local function now()
  local time = redis.call('TIME')
  local clock = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local last = string.match(redis.call('LINDEX', LOG, -1) or '', '^{"type":"%a+","at":(%d+)')
  last = tonumber(last or 0)
  local needed = clock >= last and 0 or math.max(ahead, last - clock)
  if needed ~= ahead then
    ahead = needed
    redis.call('HSET', META, 'ahead', digits(ahead))
  end
  return clock + ahead
end

-- From now on the log holds what earlier releases do not know.
local function upgrade()
  if version < LOG_VERSION then
    version = LOG_VERSION
    redis.call('HSET', META, 'version', version)
  end
end

-- Append an event; `fields` are its further JSON fields. Returns the event and its seq.
local function append(kind, at, fields)
  upgrade()
  local event = '{"type":"' .. kind .. '","at":' .. digits(at) .. ',' .. fields .. '}'
  return event, packed + redis.call('RPUSH', LOG, event)
end

-- The event with this seq, which is none of a segment; false if there is none.
local function event_at(seq)
  return redis.call('LINDEX', LOG, seq - 1 - packed)
end

local function log_length()
  return packed + redis.call('LLEN', LOG)
end

-- SHA-1 of the event with this seq: replicas notice by it that a log lost events which they know. nil within a segment,
-- which tells that of its last event alone.
local function digest_at(seq)
  if seq > packed then return redis.sha1hex(event_at(seq) or '') end
  if seq < 1 or seq % SEGMENT > 0 then return nil end
  return string.sub(redis.call('LINDEX', SEGMENTS, seq / SEGMENT - 1), SEGMENT_DIGEST, SEGMENT_DIGEST + 39)
end

-- Call a command with these arguments behind its key, some at a time: Lua cannot unpack very many.
local function in_parts(command, key, fields)
  local all = {}
  for first = 1, #fields, 1000 do
    local reply = redis.call(command, key, unpack(fields, first, math.min(first + 999, #fields)))
    if type(reply) == 'table' then
      for i = 1, #reply do all[first + i - 1] = reply[i] end
    end
  end
  return all
end

-- Whether the newest snapshot is of this log, and has the event with this seq: those before need not be at hand.
local function has_snapshot(incarnation, seq)
  local known = redis.call('HMGET', SNAPSHOT, 'incarnation', 'seq', 'digest')
  return known[1] == incarnation and tonumber(known[2]) >= seq and digest_at(tonumber(known[2])) == known[3]
end

-- Where FORGOTTEN has a selection or an idempotency field: which of its fields, and what stands there.
local function fingerprint(name)
  local digest = redis.sha1hex(name)
  return string.sub(digest, 1, 2), (string.gsub(string.sub(digest, 3, 14), '%x%x', function(byte)
    return string.char(tonumber(byte, 16))
  end))
end

local function is_among(prints, print)
  local first = string.find(prints, print, 1, true)
  while first and first % #print ~= 1 do first = string.find(prints, print, first + 1, true) end
  return first ~= nil
end

-- Whether there was such a selection, or the idempotency field stood for something, so long ago that it is kept no more.
local function is_forgotten(name)
  if redis.call('EXISTS', FORGOTTEN) == 0 then return false end
  local place, print = fingerprint(name)
  return is_among(redis.call('HGET', FORGOTTEN, place) or '', print)
end
