-- Put before every script of a pool. KEYS as in keys.py, PoolKeys.
local META, TASKS, RUNS, RETIREMENTS = unpack(KEYS)

-- Whether chunk number `chunk`, from 1, has this SHA-1: Redis may have lost the one that a caller has read, and others came.
-- What was noted of the last chunk spares its digest; earlier releases append without a note.
local function is_chunk(chunk, sha1)
  if redis.call('HGET', META, 'last') == chunk .. ':' .. sha1 and redis.call('LLEN', TASKS) == tonumber(chunk) then
    return true
  end
  return redis.sha1hex(redis.call('LINDEX', TASKS, tonumber(chunk) - 1) or '') == sha1
end
