"""What Redis decides in one step: who may write, and that nobody else does. Why, and what it costs: docs/adr/0025."""

from typing import Final

# KEYS: lease · status · streams
# ARGV: token · depth · ttl_ms · status parts, those parts … · (key number, entry parts, those parts …) of each entry.
WRITE: Final = """
if (redis.call('HGET', KEYS[1], 'token') or '0') ~= ARGV[1] then return redis.error_reply('FENCED') end
local at, ids = 5 + ARGV[4], {}
while ARGV[at] do
  local last = at + 1 + ARGV[at + 1]
  ids[#ids + 1] = redis.call('XADD', KEYS[2 + ARGV[at]], 'MAXLEN', '=', ARGV[2], '*', unpack(ARGV, at + 2, last))
  at = last + 1
end
if ARGV[4] ~= '0' then redis.call('HSET', KEYS[2], unpack(ARGV, 5, 4 + ARGV[4])) end
if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return ids
"""

# KEYS: lease · ARGV: token seen · owner · channel of the holder
# A token is larger than the one before it, and than any from before a loss of Redis: that is what the time is for, in
# microseconds, for no two claims fall into one.
CLAIM: Final = """
local held = redis.call('HGET', KEYS[1], 'token') or '0'
if held ~= ARGV[1] then return false end
local now = redis.call('TIME')
local token = string.format('%.0f', math.max(held + 1, now[1] * 1000000 + now[2]))
redis.call('HSET', KEYS[1], 'token', token, 'owner', ARGV[2])
redis.call('PUBLISH', ARGV[3], token)
return token
"""

# KEYS: lease · ARGV: token · channel of those who stand by.
RELEASE: Final = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'owner')
redis.call('PUBLISH', ARGV[2], '0')
return 1
"""
