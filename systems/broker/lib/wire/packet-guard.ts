import { isUtf8 } from 'node:buffer'
import { isMqttText, isTopicFilter } from './topics'

/** What the guard lets pass, in bytes after the fixed header. */
export interface PacketGuardOptions {
  /** The largest CONNECT. */
  readonly maxConnectBytes: number
  /** The largest packet after CONNECT. */
  readonly maxPacketBytes: number
}

/** A packet that breaks MQTT 3.1 or 3.1.1. The connection must be closed [MQTT-4.8.0-1]. */
export class PacketViolation extends Error {
  /** A CONNACK that the standard allows before the close; else the close is all that the peer is told. */
  readonly reply: Buffer | undefined

  constructor(why: string, reply?: Buffer) {
    super(`Cannot accept a packet: ${why}`)
    this.reply = reply
  }
}

const CONNECT = 1
const PUBLISH = 3
const PUBACK = 4
const PUBCOMP = 7
const SUBSCRIBE = 8
const UNSUBSCRIBE = 10
const PINGREQ = 12
const DISCONNECT = 14

/** The flags that the standard demands of each packet that a client may send [MQTT-2.2.2-1]; PUBLISH has its own. */
const FLAGS: Readonly<Record<number, number>> = {
  [CONNECT]: 0,
  [PUBACK]: 0,
  5: 0,
  6: 2,
  [PUBCOMP]: 0,
  [SUBSCRIBE]: 2,
  [UNSUBSCRIBE]: 2,
  [PINGREQ]: 0,
  [DISCONNECT]: 0
}

const UNACCEPTABLE_VERSION = Buffer.from([0x20, 2, 0, 1])
const IDENTIFIER_REJECTED = Buffer.from([0x20, 2, 0, 2])

/** The least that is allocated for a packet of which a part has arrived. */
const SMALLEST_PART = 256

/**
 * Whole, valid packets of a client or nothing: bytes in, bytes out. It stands in front of the parser of aedes, which takes what the standard
 * forbids (invalid UTF-8, trailing bytes, wrong flags) and holds what is announced before CONNECT (moscajs/aedes#1118 and others).
 * What it holds grows with the bytes that came, never with the length that was announced.
 */
export class PacketGuard {
  readonly #options: PacketGuardOptions
  #isConnected = false
  /** The start of a packet whose rest has not come yet. */
  #part: Buffer = Buffer.alloc(0)
  #partLength = 0
  /** What is known to be needed for it, header included; 0: its length is not known yet. */
  #partNeeds = 0

  constructor(options: PacketGuardOptions) {
    this.#options = options
  }

  /**
   * The whole packets that this chunk completes, checked; null: none yet.
   *
   * @throws PacketViolation
   */
  take(chunk: Buffer): Buffer | null {
    if (this.#partLength > 0) {
      this.#append(chunk)
      if (this.#partLength < this.#partNeeds) return null
      chunk = this.#part.subarray(0, this.#partLength)
      this.#part = Buffer.alloc(0)
      this.#partLength = 0
      this.#partNeeds = 0
    }
    let at = 0
    while (at < chunk.length) {
      const end = this.#endOfPacket(chunk, at)
      if (end > chunk.length) break
      at = end
    }
    if (at < chunk.length) this.#append(chunk.subarray(at))
    return at === 0 ? null : chunk.subarray(0, at)
  }

  #append(bytes: Buffer): void {
    const needed = this.#partLength + bytes.length
    if (needed > this.#part.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#part.length, SMALLEST_PART))
      this.#part.copy(larger, 0, 0, this.#partLength)
      this.#part = larger
    }
    bytes.copy(this.#part, this.#partLength)
    this.#partLength = needed
  }

  /** Where the packet at `start` ends, once checked; beyond the chunk: a part of it is missing. */
  #endOfPacket(chunk: Buffer, start: number): number {
    const type = (chunk[start] as number) >> 4
    if (!this.#isConnected) need(chunk[start] === CONNECT << 4, 'the first one is not CONNECT') // [MQTT-3.1.0-1]
    let head = start + 1
    let length = 0
    for (let shift = 0; ; shift += 7) {
      need(shift <= 21, 'its length has more than four bytes')
      const byte = chunk[head]
      if (byte === undefined) {
        this.#partNeeds = 0
        return chunk.length + 1
      }
      head++
      length += (byte & 127) << shift
      if (byte < 128) break
    }
    const bound = this.#isConnected ? this.#options.maxPacketBytes : this.#options.maxConnectBytes
    need(length <= bound, `it is longer than ${bound} bytes`)
    const end = head + length
    if (end > chunk.length) this.#partNeeds = end - start
    else this.#check(type, chunk, start, head, end)
    return end
  }

  #check(type: number, chunk: Buffer, start: number, head: number, end: number): void {
    const flags = (chunk[start] as number) & 15
    if (type === PUBLISH) {
      checkPublish(flags, chunk, head, end)
      return
    }
    need(FLAGS[type] === flags, 'its type or its flags are not those of a client')
    if (type === CONNECT) {
      need(!this.#isConnected, 'a second CONNECT came') // [MQTT-3.1.0-2]
      checkConnect(chunk, head, end)
      this.#isConnected = true
    } else if (type >= PUBACK && type <= PUBCOMP) {
      need(end - head === 2, 'an acknowledgement has two bytes')
      need(chunk.readUInt16BE(head) !== 0, 'its packet identifier is 0')
    } else if (type === SUBSCRIBE || type === UNSUBSCRIBE) {
      checkFilters(type, chunk, head, end)
    } else {
      need(end === head, 'it has a body')
    }
  }
}

function checkPublish(flags: number, chunk: Buffer, head: number, end: number): void {
  const qos = (flags >> 1) & 3
  need(qos < 3, 'its QoS is 3') // [MQTT-3.3.1-4]
  need(qos > 0 || flags < 8, 'QoS 0 has no duplicates') // [MQTT-3.3.1-2]
  const topicEnd = endOfString(chunk, head, end)
  need(topicEnd > head + 2, 'its topic is empty') // [MQTT-4.7.3-1]
  for (let at = head + 2; at < topicEnd; at++) {
    need(chunk[at] !== 0x23 && chunk[at] !== 0x2b, 'its topic contains a wildcard') // [MQTT-3.3.2-2]
  }
  if (qos === 0) return
  need(topicEnd + 2 <= end, 'it has no packet identifier')
  need(chunk.readUInt16BE(topicEnd) !== 0, 'its packet identifier is 0') // [MQTT-2.3.1-1]
}

function checkFilters(type: number, chunk: Buffer, head: number, end: number): void {
  need(end - head > 2, 'it has no filter') // [MQTT-3.8.3-3, MQTT-3.10.3-2]
  need(chunk.readUInt16BE(head) !== 0, 'its packet identifier is 0')
  let at = head + 2
  while (at < end) {
    const stringEnd = endOfString(chunk, at, end)
    need(isTopicFilter(chunk.toString('utf8', at + 2, stringEnd)), 'a filter is invalid')
    at = stringEnd
    if (type === UNSUBSCRIBE) continue
    need(at < end && (chunk[at] as number) < 3, 'a requested QoS is invalid') // [MQTT-3.8.3-4]
    at++
  }
}

function checkConnect(chunk: Buffer, head: number, end: number): void {
  let at = endOfString(chunk, head, end)
  const name = chunk.toString('latin1', head + 2, at)
  need(name === 'MQTT' || name === 'MQIsdp', 'it names another protocol') // [MQTT-3.1.2-1]
  need(at + 4 <= end, 'CONNECT is cut short')
  const level = chunk[at] as number
  if (level !== (name === 'MQTT' ? 4 : 3)) {
    throw new PacketViolation('its protocol level is neither 3.1 nor 3.1.1', UNACCEPTABLE_VERSION) // [MQTT-3.1.2-2]
  }
  const flags = chunk[at + 1] as number
  const hasWill = (flags & 4) !== 0
  const willQos = (flags >> 3) & 3
  const hasUserName = (flags & 128) !== 0
  const hasPassword = (flags & 64) !== 0
  need((flags & 1) === 0, 'its reserved flag is set') // [MQTT-3.1.2-3]
  need(hasWill ? willQos < 3 : (flags & 0b111000) === 0, 'the flags of its will are invalid') // [MQTT-3.1.2-11 ... 15]
  need(level === 3 || hasUserName || !hasPassword, 'a password came without a user name') // [MQTT-3.1.2-22]
  at += 4
  const idAt = at
  at = endOfString(chunk, at, end)
  const hasId = at > idAt + 2
  if (hasWill) {
    const topicAt = at
    at = endOfString(chunk, at, end)
    const topic = chunk.toString('utf8', topicAt + 2, at)
    need(topic !== '' && !/[#+]/.test(topic), 'the topic of its will is invalid')
    at = endOfField(chunk, at, end)
  }
  if (hasUserName) at = endOfString(chunk, at, end)
  if (hasPassword) at = endOfField(chunk, at, end)
  need(at === end, 'bytes follow its last field')
  if (!hasId && (level === 3 || (flags & 2) === 0)) {
    throw new PacketViolation('it needs a client id', IDENTIFIER_REJECTED) // [MQTT-3.1.3-8]
  }
}

/** The end of a field with a length in two bytes before it. */
function endOfField(chunk: Buffer, at: number, end: number): number {
  need(at + 2 <= end, 'a field is cut short')
  const fieldEnd = at + 2 + chunk.readUInt16BE(at)
  need(fieldEnd <= end, 'a field is longer than the packet')
  return fieldEnd
}

/** The end of a string, which is UTF-8 without control characters and non-characters [MQTT-1.5.3-1, MQTT-1.5.3-2]. */
function endOfString(chunk: Buffer, at: number, end: number): number {
  const stringEnd = endOfField(chunk, at, end)
  for (let byte = at + 2; byte < stringEnd; byte++) {
    const value = chunk[byte] as number
    need(value >= 0x20 && value !== 0x7f, 'a string contains a control character')
    if (value >= 0x80) {
      checkBeyondAscii(chunk.subarray(byte, stringEnd))
      break
    }
  }
  return stringEnd
}

function checkBeyondAscii(bytes: Buffer): void {
  need(isUtf8(bytes), 'a string is not UTF-8')
  need(isMqttText(bytes.toString('utf8')), 'a string contains a control character or a non-character')
}

function need(holds: boolean, why: string): asserts holds {
  if (!holds) throw new PacketViolation(why)
}
