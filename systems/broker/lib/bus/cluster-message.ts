import type { AedesPacket, MessageProperties } from '../core/aedes-packet'

/**
 * A message as one broker tells it to the others:
 *
 * ```
 *  | flags | number | id of the broker | topic | kind | id of the sender | payload … |
 *  |  u8   | double |      u8 + n      | u16+n | u8+n |      u16 + n     |           |
 * ```
 *
 * Numbers are big-endian, texts UTF-8. Flags: bits 0 and 1 are the QoS, bit 2 says that it is retained, bit 3 that the verified sender follows:
 * its kind and its id.
 */
const RETAIN = 4
const HAS_SENDER = 8

/** What stands around the payload, at most: the header, a topic, and an id out of a token. */
export const MOST_AROUND_PAYLOAD = 9 + 256 + 2 * 65_537 + 256

export function encodeMessage({
  topic,
  payload,
  qos,
  retain,
  brokerId = '',
  brokerCounter = 0,
  properties
}: AedesPacket): Buffer {
  const { sub = '', kind = '' } = properties?.userProperties ?? {}
  const hasSender = properties !== undefined
  const texts = 3 + Buffer.byteLength(brokerId) + Buffer.byteLength(topic)
  const sender = hasSender ? 3 + Buffer.byteLength(kind) + Buffer.byteLength(sub) : 0
  const bytes = Buffer.allocUnsafe(9 + texts + sender + payload.length)
  bytes[0] = qos | (retain ? RETAIN : 0) | (hasSender ? HAS_SENDER : 0)
  let at = bytes.writeDoubleBE(brokerCounter, 1)
  at = writeShort(bytes, brokerId, at)
  at = writeLong(bytes, topic, at)
  if (hasSender) at = writeLong(bytes, sub, writeShort(bytes, kind, at))
  bytes.set(payload, at)
  return bytes
}

/**
 * @returns the payload is a copy: a message that waits for a slow client must not keep alive all that came with it
 * @throws RangeError for what is no such message
 */
export function decodeMessage(bytes: Buffer): AedesPacket {
  const flags = bytes.readUInt8(0)
  const brokerCounter = bytes.readDoubleBE(1)
  let at = 9
  const text = (size: 1 | 2): string => {
    const from = at + size
    const end = from + bytes.readUIntBE(at, size)
    if (end > bytes.length) throw new RangeError('Cannot read a message of another broker: it is too short')
    at = end
    return bytes.toString('utf8', from, end)
  }
  const brokerId = text(1)
  const topic = text(2)
  const properties = (flags & HAS_SENDER) === 0 ? undefined : senderOf(text(1), text(2))
  return {
    cmd: 'publish',
    topic,
    payload: Buffer.from(bytes.subarray(at)),
    qos: (flags & 3) as 0 | 1 | 2,
    retain: (flags & RETAIN) !== 0,
    dup: false,
    brokerId,
    brokerCounter,
    ...(properties === undefined ? {} : { properties })
  }
}

function senderOf(kind: string, sub: string): MessageProperties {
  return { userProperties: { sub, kind } }
}

function writeShort(bytes: Buffer, text: string, at: number): number {
  const length = bytes.write(text, at + 1, 'utf8')
  bytes.writeUInt8(length, at)
  return at + 1 + length
}

function writeLong(bytes: Buffer, text: string, at: number): number {
  const length = bytes.write(text, at + 2, 'utf8')
  bytes.writeUInt16BE(length, at)
  return at + 2 + length
}
