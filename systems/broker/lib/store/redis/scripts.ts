/*
 * Lua scripts, each of which Redis runs as a whole. KEYS[1] is the prefix of all keys; they name further ones themselves, so that they need one
 * Redis, or a primary with replicas: not Redis Cluster.
 *
 *   sys     hash: run (of Redis), epoch (of its data), seq (the last number of a message), kept (seq when it was started),
 *           version (of the subscriptions)
 *   log     list: changes of the subscriptions, the last ones; the newest bears the number `version`
 *   links   hash: broker -> number of its connection
 *   alive   sorted set: broker -> when it was heard of
 *   seen    sorted set: session -> when somebody was connected to it
 *   of:S    sorted set: the same of the sessions of one subject
 *   subs:C  hash of a session: filter -> QoS
 *   ses:C   hash: o (the broker that gives its messages out), b (bytes of its messages). There is a session when it is there
 *   q:C     sorted set: numbers of messages that were not sent
 *   sent:C  sorted set: numbers of messages that were sent, by their packet identifiers
 *   m:C     hash: number -> message, or "R" when a PUBREL is all that is left of it
 *   in:C    set: packet identifiers of incoming QoS 2 messages whose PUBREL has not come
 *   ret     hash: topic -> retained message; topics: sorted set of its topics
 *   wills   hash: session -> broker, newline, will
 */

const COMMON = `
local p = KEYS[1]
local call = redis.call
local function text(number) return string.format('%.0f', number) end
local function now() local t = call('TIME'); return t[1] * 1000 + math.floor(t[2] / 1000) end
local function subjectOf(id) return string.match(id, '^([^/:]*)[/:]') or '' end
local function bytesOf(message) if #message < 5 then return 0 end return (struct.unpack('>I4', message, 2)) end
local function log(entry)
  call('RPUSH', p..'log', entry)
  call('LTRIM', p..'log', -5000, -1)
  return call('HINCRBY', p..'sys', 'version', 1)
end
local function touch(id)
  local at = text(now())
  call('ZADD', p..'seen', at, id)
  call('ZADD', p..'of:'..subjectOf(id), at, id)
end
local function forget(id)
  if call('EXISTS', p..'ses:'..id) == 0 then return 0 end
  if call('EXISTS', p..'subs:'..id) == 1 then log(cjson.encode({ c = id })) end
  call('UNLINK', p..'ses:'..id, p..'subs:'..id, p..'q:'..id, p..'sent:'..id, p..'m:'..id)
  call('ZREM', p..'seen', id)
  call('ZREM', p..'of:'..subjectOf(id), id)
  return 1
end
local function drop(id, number)
  local message = call('HGET', p..'m:'..id, number)
  call('ZREM', p..'q:'..id, number)
  call('ZREM', p..'sent:'..id, number)
  if not message then return message end
  call('HDEL', p..'m:'..id, number)
  call('HINCRBY', p..'ses:'..id, 'b', 0 - bytesOf(message))
  if call('EXISTS', p..'subs:'..id) == 0 and call('EXISTS', p..'m:'..id) == 0 then forget(id) end
  return message
end
local function isFenced(broker, link) return call('HGET', p..'links', broker) ~= link end
local fenced = { err = 'FENCED a later connection of this broker is there' }
local function isTaken(id, broker)
  local owner = call('HGET', p..'ses:'..id, 'o')
  return owner and owner ~= broker
end
local taken = { err = 'TAKEN another broker gives out the messages of this session' }
local function retain(topic, message, most)
  if message == '' then
    call('HDEL', p..'ret', topic)
    call('ZREM', p..'topics', topic)
  elseif call('HEXISTS', p..'ret', topic) == 0 and call('HLEN', p..'ret') >= tonumber(most) then
    return 1
  else
    call('HSET', p..'ret', topic, message)
    call('ZADD', p..'topics', 0, topic)
  end
  return 0
end
`

/** broker, run id, a fresh epoch -> link, epoch, the last number that Redis had kept when it was started. Numbers never go back, not even when Redis has lost its data. */
export const HELLO = `${COMMON}
local sys = p..'sys'
if call('HGET', sys, 'run') ~= ARGV[2] then
  local t = call('TIME')
  local kept = call('HGET', sys, 'seq') or '0'
  local seq = math.max(t[1] * 1000000 + t[2], tonumber(kept))
  call('HSET', sys, 'run', ARGV[2], 'epoch', ARGV[3], 'kept', kept, 'seq', text(seq))
  call('HINCRBY', sys, 'version', 0)
end
call('ZADD', p..'alive', text(now()), ARGV[1])
local link = call('HINCRBY', p..'links', ARGV[1], 1)
return { text(link), call('HGET', sys, 'epoch'), call('HGET', sys, 'kept') }
`

/** version -> the version now, and the changes since; no changes for another version: they are not known any more. */
export const NEWS = `${COMMON}
local version = call('HGET', p..'sys', 'version') or '0'
local since = tonumber(version) - tonumber(ARGV[1])
if since < 0 or since > call('LLEN', p..'log') then return { version } end
if since == 0 then return { version } end
return { version, call('LRANGE', p..'log', -since, -1) }
`

/** sessions -> the subscriptions of each. */
export const SUBSCRIPTIONS = `${COMMON}
local all = {}
for i = 1, #ARGV do
  all[i] = call('HGETALL', p..'subs:'..ARGV[i])
end
return all
`

/** broker, session -> its subscriptions, which are this broker's from now on. */
export const CLAIM = `${COMMON}
if call('EXISTS', p..'ses:'..ARGV[2]) == 0 then return {} end
call('HSET', p..'ses:'..ARGV[2], 'o', ARGV[1])
touch(ARGV[2])
return call('HGETALL', p..'subs:'..ARGV[2])
`

/** broker, session, how many entries of the log, they, filters and QoS -> the version, and how many entries were written */
export const SUBSCRIBE = `${COMMON}
local id, entries = ARGV[2], tonumber(ARGV[3])
local isNew = false
for i = 4 + entries, #ARGV, 2 do
  if call('HGET', p..'subs:'..id, ARGV[i]) ~= ARGV[i + 1] then
    call('HSET', p..'subs:'..id, ARGV[i], ARGV[i + 1])
    isNew = true
  end
end
call('HSET', p..'ses:'..id, 'o', ARGV[1])
touch(id)
if not isNew then return { call('HGET', p..'sys', 'version') or '0', 0 } end
local version
for i = 4, 3 + entries do version = log(ARGV[i]) end
return { text(version), entries }
`

/** session, how many entries of the log, they, filters -> the version, and how many entries were written */
export const UNSUBSCRIBE = `${COMMON}
local id, entries = ARGV[1], tonumber(ARGV[2])
local isNew = false
for i = 3 + entries, #ARGV do
  if call('HDEL', p..'subs:'..id, ARGV[i]) == 1 then isNew = true end
end
if not isNew then return { call('HGET', p..'sys', 'version') or '0', 0 } end
local version
for i = 3, 2 + entries do version = log(ARGV[i]) end
if call('EXISTS', p..'subs:'..id) == 0 and call('EXISTS', p..'m:'..id) == 0 then forget(id) end
return { text(version), entries }
`

/** session -> 1: there was one. */
export const FORGET = `${COMMON}
return forget(ARGV[1])
`

/** the age of sessions to forget in ms, how many at most -> how many were forgotten */
export const EXPIRE = `${COMMON}
local old = call('ZRANGEBYSCORE', p..'seen', '-inf', text(now() - tonumber(ARGV[1])), 'LIMIT', 0, tonumber(ARGV[2]))
for _, id in ipairs(old) do
  forget(id)
  call('ZREM', p..'seen', id)
  call('UNLINK', p..'in:'..id)
end
for _, broker in ipairs(call('ZRANGEBYSCORE', p..'alive', '-inf', text(now() - 86400000))) do
  call('ZREM', p..'alive', broker)
  call('HDEL', p..'links', broker)
end
return #old
`

/** broker, sessions that are connected to it: it and they are there. */
export const TOUCH = `${COMMON}
call('ZADD', p..'alive', text(now()), ARGV[1])
for i = 2, #ARGV do
  if call('EXISTS', p..'ses:'..ARGV[i]) == 1 then touch(ARGV[i]) end
end
`

/**
 * broker, link, epoch, version, the bounds of a queue (messages, bytes), of retained messages, the lifetime of `in` in ms; then for each message:
 * bytes of the payload, the message without its QoS, session and packet identifier of an incoming QoS 2 message, topic and message to retain,
 * how many sessions, and each with its QoS.
 *
 * -> the first number, indices of those that are there already, sessions whose queue was full, how many retained ones were too many;
 * or nothing when it must be asked again with newer subscriptions
 */
export const ENQUEUE = `${COMMON}
local sys = p..'sys'
if isFenced(ARGV[1], ARGV[2]) or call('HGET', sys, 'epoch') ~= ARGV[3] then return fenced end
if call('HGET', sys, 'version') ~= ARGV[4] then return {} end
local most, mostBytes = tonumber(ARGV[5]), tonumber(ARGV[6])
local first
local twice, full, dropped = {}, {}, 0
local index, i = 0, 9
while i <= #ARGV do
  local number = call('HINCRBY', sys, 'seq', 1)
  first = first or number
  local key = text(number)
  local bytes, message, sender, id, topic, retained = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local behind = i + 7 + 2 * tonumber(ARGV[i + 6])
  local isTwice = false
  if sender ~= '' then
    isTwice = call('SADD', p..'in:'..sender, id) == 0
    call('PEXPIRE', p..'in:'..sender, ARGV[8])
  end
  if isTwice then
    twice[#twice + 1] = index
  else
    if topic ~= '' then dropped = dropped + retain(topic, retained, ARGV[7]) end
    for s = i + 7, behind - 1, 2 do
      local session = ARGV[s]
      local ses, m = p..'ses:'..session, p..'m:'..session
      local held = tonumber(call('HGET', ses, 'b') or '0')
      if call('HLEN', m) >= most or held + tonumber(bytes) > mostBytes then
        full[#full + 1] = session
      else
        call('HSET', m, key, ARGV[s + 1]..message)
        call('ZADD', p..'q:'..session, key, key)
        call('HINCRBY', ses, 'b', bytes)
      end
    end
  end
  index = index + 1
  i = behind
end
return { text(first), twice, full, dropped }
`

/** broker, link, session, number, packet identifier, the message if it has no place -> 1 */
export const SENT = `${COMMON}
local broker, link, id, number, packetId, message = unpack(ARGV)
if isFenced(broker, link) then return fenced end
if isTaken(id, broker) then return taken end
call('ZADD', p..'sent:'..id, packetId, number)
call('ZREM', p..'q:'..id, number)
if call('HSETNX', p..'m:'..id, number, message) == 1 then
  call('HINCRBY', p..'ses:'..id, 'b', bytesOf(message))
  call('HSETNX', p..'ses:'..id, 'o', broker)
  touch(id)
end
return 1
`

/** broker, link, session, packet identifier: of a message of QoS 2 the PUBREL is left. */
export const RECEIVED = `${COMMON}
local broker, link, id, packetId = unpack(ARGV)
if isFenced(broker, link) then return fenced end
if isTaken(id, broker) then return taken end
local number = call('ZRANGEBYSCORE', p..'sent:'..id, packetId, packetId, 'LIMIT', 0, 1)[1]
if not number then return 0 end
local message = call('HGET', p..'m:'..id, number)
if not message then return 0 end
call('HSET', p..'m:'..id, number, 'R')
call('HINCRBY', p..'ses:'..id, 'b', 0 - bytesOf(message))
return 1
`

/** broker, link, session, packet identifier -> number and message, which is acknowledged and gone */
export const CLEAR = `${COMMON}
local broker, link, id, packetId = unpack(ARGV)
if isFenced(broker, link) then return fenced end
if isTaken(id, broker) then return {} end
local number = call('ZRANGEBYSCORE', p..'sent:'..id, packetId, packetId, 'LIMIT', 0, 1)[1]
if not number then return {} end
return { number, drop(id, number) }
`

/** session, number */
export const REMOVE = `${COMMON}
drop(ARGV[1], ARGV[2])
`

/** broker, session, number, how many at most, how many bytes -> numbers and messages behind that number that were not sent */
export const UNSENT = `${COMMON}
if isTaken(ARGV[2], ARGV[1]) then return taken end
local found, bytes = {}, 0
for _, number in ipairs(call('ZRANGEBYSCORE', p..'q:'..ARGV[2], '('..ARGV[3], '+inf', 'LIMIT', 0, tonumber(ARGV[4]))) do
  local message = call('HGET', p..'m:'..ARGV[2], number)
  if message then
    found[#found + 1] = number
    found[#found + 1] = message
    bytes = bytes + #message
    if bytes > tonumber(ARGV[5]) then return found end
  end
end
return found
`

/** topic, message, the bound -> 1: it was one too many */
export const RETAIN = `${COMMON}
return retain(ARGV[1], ARGV[2], ARGV[3])
`

/** session, broker or "" -> the will, which is gone; only that of this broker when one is named */
export const DELETE_WILL = `${COMMON}
local will = call('HGET', p..'wills', ARGV[1])
if not will then return false end
if ARGV[2] ~= '' and string.sub(will, 1, #ARGV[2] + 1) ~= ARGV[2]..'\\n' then return false end
call('HDEL', p..'wills', ARGV[1])
return will
`

/** session, broker whose will it is, who takes it -> 1: it is taken */
export const CLAIM_WILL = `${COMMON}
local will = call('HGET', p..'wills', ARGV[1])
if not will or string.sub(will, 1, #ARGV[2] + 1) ~= ARGV[2]..'\\n' then return 0 end
call('HSET', p..'wills', ARGV[1], ARGV[3]..string.sub(will, #ARGV[2] + 1))
return 1
`

/** How long a broker may be silent, in ms -> those that are there */
export const ALIVE = `${COMMON}
local limit = text(now() - tonumber(ARGV[1]))
return call('ZRANGEBYSCORE', p..'alive', limit, '+inf')
`

export const SCRIPTS = [
  HELLO,
  NEWS,
  SUBSCRIPTIONS,
  CLAIM,
  SUBSCRIBE,
  UNSUBSCRIBE,
  FORGET,
  EXPIRE,
  TOUCH,
  ENQUEUE,
  SENT,
  RECEIVED,
  CLEAR,
  REMOVE,
  UNSENT,
  RETAIN,
  DELETE_WILL,
  CLAIM_WILL,
  ALIVE
]
