-- Put before every script of a pool. KEYS as in keys.py, PoolKeys.
local META, TASKS, RUNS, RETIREMENTS = unpack(KEYS)
