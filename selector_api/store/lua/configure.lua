-- Change a run's configuration, if it is as the caller read it.
-- ARGV: incarnation, the configuration as read, the new one (both JSON), when outcomes enter from now on, event fields,
--   number of changes of what is drawn as read: a command that was held up finds another one, though the run may be
--   configured as then
-- Returns {unknown-run}, {replaced}, {moved} or {ok}.
local incarnation, before, after, enter, fields, changes = unpack(ARGV)

-- Let outcomes enter otherwise from now on: with their selection, or as soon as there are `count` (nil for the former).
local function change_commits(count, at)
  local former = commits_at
  commits_at = count
  local waiting = redis.call('LLEN', PENDING)
  if not commits_at then
    if waiting > 0 then commit_pending(waiting, at, 'count', nil, false) end
    return
  end
  for _, id in ipairs(former and {} or redis.call('ZRANGE', LEASES, 0, -1)) do
    local selection = read_selection(id)
    if waiting_of(selection) > 0 then
      local tasks, entries = tasks_of(selection), {}
      for place, outcome in ipairs(waiting_outcomes(selection, tasks)) do
        if outcome then entries[#entries + 1] = pending_entry(selection, tasks[place], digits(place - 1), outcome) end
      end
      in_parts('RPUSH', PENDING, entries)
    end
  end
  commit_enough(at)
end

local known = redis.call('HMGET', META, 'incarnation', 'config', 'changes')
if not known[1] then return {'unknown-run'} end
if known[1] ~= incarnation then return {'replaced'} end
if known[2] == after then return {'ok'} end
if known[2] ~= before or (known[3] or '0') ~= changes then return {'moved'} end
redis.call('HSET', META, 'config', after, 'commit', enter)
redis.call('HINCRBY', META, 'changes', 1)
local at = now()
append('configured', at, fields)
if (tonumber(enter) or 0) ~= (commits_at or 0) then change_commits(tonumber(enter), at) end
return {'ok'}
