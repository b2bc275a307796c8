"""The Lua scripts that change what a project has in Redis.

Each script changes the stream and its sums atomically. Under `maxmemory`, Redis refuses commands that could take
memory, but not inside a script that has already written, since such a script could not be undone. So every script that
frees memory, or that is needed before memory can be freed, begins with a write that Redis always accepts. All scripts
run on Redis 6.2.
"""

from __future__ import annotations

import hashlib


class Script:
    """A Lua script, and the digest by which a server runs a script that it has seen before."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


#: Adds an entry. KEYS: stream, totals. ARGV: logs, the stream's bound in bytes, body, encoding.
#: Returns the entry's id; 0 if the stream is full; -1 if the entry alone exceeds the bound.
ADD = Script("""
local bound, size = tonumber(ARGV[2]), #ARGV[3]
if size > bound then return -1 end
local held = tonumber(redis.call('HGET', KEYS[2], 'bytes') or '0')
if held > 0 and redis.call('XLEN', KEYS[1]) == 0 then
    redis.call('HINCRBY', KEYS[2], 'lost', redis.call('HGET', KEYS[2], 'queued') or '0')
    redis.call('HSET', KEYS[2], 'queued', 0, 'entries', 0, 'bytes', 0)
    held = 0
end
if held + size > bound then return 0 end
local id
if ARGV[4] == '' then
    id = redis.call('XADD', KEYS[1], '*', 'v', 1, 'n', ARGV[1], 'b', ARGV[3])
else
    id = redis.call('XADD', KEYS[1], '*', 'v', 1, 'n', ARGV[1], 'z', ARGV[4], 'b', ARGV[3])
end
redis.call('HINCRBY', KEYS[2], 'added', ARGV[1])
redis.call('HINCRBY', KEYS[2], 'queued', ARGV[1])
redis.call('HINCRBY', KEYS[2], 'entries', 1)
redis.call('HINCRBY', KEYS[2], 'bytes', size)
return id
""")

#: Makes the consumer group, and the stream if it is missing, even at `maxmemory`. KEYS: stream, totals. ARGV: group.
MAKE_GROUP = Script("""
redis.call('HDEL', KEYS[2], '')
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP') then return made end
return 1
""")

#: Removes an entry from the stream and counts its logs. KEYS: stream, totals, refused. ARGV: group, id, size, weight in
#: logs, delivered, refused, the bound of `:refused`, then five for each refused log: reason, status, url, id, log.
#: Returns 1; 0 if another relay has already removed the entry: then nothing is counted.
RELEASE = Script("""
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if redis.call('XDEL', KEYS[1], ARGV[2]) == 0 then return 0 end
local weight, delivered, refused = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
redis.call('HINCRBY', KEYS[2], 'added', delivered + refused - weight)
redis.call('HINCRBY', KEYS[2], 'delivered', delivered)
redis.call('HINCRBY', KEYS[2], 'refused', refused)
redis.call('HINCRBY', KEYS[2], 'queued', 0 - weight)
redis.call('HINCRBY', KEYS[2], 'entries', -1)
-- A subtraction and no sign: Lua has a -0, which Redis does not take for a number.
redis.call('HINCRBY', KEYS[2], 'bytes', 0 - tonumber(ARGV[3]))
for i = 8, #ARGV, 5 do
    redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[7], '*', 'reason', ARGV[i], 'status', ARGV[i + 1],
        'url', ARGV[i + 2], 'id', ARGV[i + 3], 'log', ARGV[i + 4])
end
return 1
""")

#: Keeps other relays from taking over the entries that this consumer holds. KEYS: stream. ARGV: group, consumer, '1' if
#: the server has answered since they were taken (so none of them kills relays), ids. Returns the ids that are still
#: held.
KEEP = Script("""
local own = {}
for i = 4, #ARGV do
    if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) == 1 then
        if ARGV[3] == '1' then
            redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'RETRYCOUNT', 0, 'JUSTID')
        else
            redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
        end
        own[#own + 1] = ARGV[i]
    end
end
return own
""")

#: Offers entries to the other relays at once, as if this relay had never held them. KEYS: stream. ARGV: group,
#: consumer, ids. Returns how many entries were offered.
GIVE_BACK = Script("""
local given = 0
for i = 3, #ARGV do
    local found = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
    if #found == 1 then
        local count = math.max(found[1][4] - 1, 0)
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', 86400000, 'RETRYCOUNT', count, 'JUSTID')
        given = given + 1
    end
end
return given
""")

#: Notes that a relay is alive. (To Redis before 7.2, a consumer that waits for entries is idle.)
#: KEYS: relays. ARGV: consumer.
HEARTBEAT = Script("""
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], ARGV[1], redis.call('TIME')[1])
return 1
""")

#: Counts the relays that are alive. KEYS: relays. ARGV: the most seconds since a live relay's last heartbeat.
LIVE_RELAYS = Script("""
local now, live, flat = tonumber(redis.call('TIME')[1]), 0, redis.call('HGETALL', KEYS[1])
for i = 2, #flat, 2 do
    if now - (tonumber(flat[i]) or 0) <= tonumber(ARGV[1]) then live = live + 1 end
end
return live
""")

#: Forgets relays. KEYS: stream, relays. ARGV: group, and either the name of the relay that leaves or the seconds since
#: the last heartbeat after which a relay is gone. A consumer that holds entries stays until they are taken over.
#: Returns how many relays were forgotten.
FORGET_RELAYS = Script("""
local now, heard, forgotten = tonumber(redis.call('TIME')[1]), {}, 0
local flat = redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do heard[flat[i]] = tonumber(flat[i + 1]) end
for _, found in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local facts = {}
    for i = 1, #found, 2 do facts[found[i]] = found[i + 1] end
    local name, bound = facts['name'], tonumber(ARGV[2])
    local is_gone = name == ARGV[2]
    if bound and facts['idle'] >= bound * 1000 and now - (heard[name] or 0) >= bound then is_gone = true end
    if is_gone and facts['pending'] == 0 then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], name)
        forgotten = forgotten + 1
    end
end
for name, at in pairs(heard) do
    local bound = tonumber(ARGV[2])
    if name == ARGV[2] or (bound and now - at >= bound) then redis.call('HDEL', KEYS[2], name) end
end
return forgotten
""")

#: Takes entries that were read once and that no consumer holds any more, because their consumer was deleted.
#: KEYS: stream, totals. ARGV: group, consumer, the most entries to take. Returns entries.
CLAIM_STRAYS = Script("""
local last, pending
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local facts = {}
    for i = 1, #group, 2 do facts[group[i]] = group[i + 1] end
    if facts['name'] == ARGV[1] then last, pending = facts['last-delivered-id'], facts['pending'] end
end
if not last or redis.call('XLEN', KEYS[1]) <= pending then return {} end
redis.call('HDEL', KEYS[2], '')
local strays, from, most = {}, '-', tonumber(ARGV[3])
while #strays < most do
    local page = redis.call('XRANGE', KEYS[1], from, last, 'COUNT', 100)
    if #page == 0 then break end
    local held = {}
    for _, found in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], page[1][1], page[#page][1], 10000)) do
        held[found[1]] = true
    end
    for _, entry in ipairs(page) do
        if not held[entry[1]] and #strays < most then strays[#strays + 1] = entry[1] end
    end
    from = '(' .. page[#page][1]
end
if #strays == 0 then return {} end
strays[#strays + 1] = 'FORCE'
return redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(strays))
""")

#: Counts the stream again if its length does not match the sums, since a program other than apps and relays has changed
#: it. KEYS: stream, totals. Returns how many logs were lost.
RECOUNT = Script("""
local queued = tonumber(redis.call('HGET', KEYS[2], 'queued') or '0')
local entries = tonumber(redis.call('HGET', KEYS[2], 'entries') or '0')
local length = redis.call('XLEN', KEYS[1])
if length == entries and (length > 0 or queued == 0) then return 0 end
local logs, bytes, from = 0, 0, '-'
while true do
    local page = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 100)
    if #page == 0 then break end
    for _, entry in ipairs(page) do
        local weight = 1
        for i = 1, #entry[2], 2 do
            local name, value = entry[2][i], entry[2][i + 1]
            if name == 'n' and string.match(value, '^[1-9]%d?%d?%d?%d?$') then weight = tonumber(value) end
            if name == 'b' then bytes = bytes + #value end
        end
        logs = logs + weight
    end
    from = '(' .. page[#page][1]
end
redis.call('HDEL', KEYS[2], '')
if logs > queued then redis.call('HINCRBY', KEYS[2], 'added', logs - queued) end
if logs < queued then redis.call('HINCRBY', KEYS[2], 'lost', queued - logs) end
redis.call('HSET', KEYS[2], 'queued', logs, 'entries', length, 'bytes', bytes)
return math.max(queued - logs, 0)
""")

#: Returns the id of the oldest entry. KEYS: stream.
OLDEST = Script("""
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
return oldest[1] and oldest[1][1]
""")

#: Writes the sums that this relay remembers if Redis has lost them (FLUSHALL, a failover to an empty server); the logs
#: that were in the stream are then lost. KEYS: totals. ARGV: epoch, added, delivered, refused, lost. Returns the epoch
#: that the sums have now.
RESTORE = Script("""
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch then return epoch end
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
redis.call('HINCRBY', KEYS[1], 'added', ARGV[2])
redis.call('HINCRBY', KEYS[1], 'delivered', ARGV[3])
redis.call('HINCRBY', KEYS[1], 'refused', ARGV[4])
redis.call('HINCRBY', KEYS[1], 'lost', ARGV[5])
return ARGV[1]
""")
