import type { StoredPacket } from '../base-persistence'

/**
 * A message in Redis: QoS, length of the payload, payload, and the rest as JSON.
 *
 * The QoS is set by Redis, for each session its own; {@link encodeMessage} leaves it out.
 */
export function encodeMessage({ topic, payload, brokerId, properties }: StoredPacket): Buffer {
  const rest = Buffer.from(JSON.stringify([topic, brokerId, properties]))
  const bytes = Buffer.allocUnsafe(4 + payload.length + rest.length)
  bytes.writeUInt32BE(payload.length)
  payload.copy(bytes, 4)
  rest.copy(bytes, 4 + payload.length)
  return bytes
}

/** The QoS in front of a message. */
export function withQos(qos: number, message: Buffer): Buffer {
  return Buffer.concat([Buffer.from(String(qos)), message])
}

/** @param bytes with its QoS; `R`: the PUBREL is left */
export function decodeMessage(bytes: Buffer, number: number, messageId?: number): StoredPacket {
  if (bytes.length === 1) {
    const none = { topic: '', payload: Buffer.alloc(0), qos: 1, retain: false } as const
    return { cmd: 'pubrel', ...none, brokerCounter: number, messageId }
  }
  const packet = { ...decoded(bytes), brokerCounter: number }
  return messageId === undefined ? packet : ({ ...packet, messageId, dup: true } as StoredPacket)
}

export function decodeRetained(bytes: Buffer): StoredPacket {
  return { ...decoded(bytes), retain: true }
}

function decoded(bytes: Buffer): StoredPacket {
  const end = 5 + bytes.readUInt32BE(1)
  const [topic, brokerId, properties] = JSON.parse(bytes.toString('utf8', end)) as [string, string?, object?]
  return {
    cmd: 'publish',
    topic,
    payload: bytes.subarray(5, end),
    qos: ((bytes[0] as number) - 48) as 0 | 1 | 2,
    retain: false,
    ...(brokerId == null ? {} : { brokerId }),
    ...(properties == null ? {} : { properties })
  }
}

/** Whose will it is stands in front: a script looks at it. */
export function encodeWill(brokerId: string, clientId: string, packet: StoredPacket): Buffer {
  const { payload, ...rest } = packet
  const json = JSON.stringify({ ...rest, clientId, payload: payload.toString('base64') })
  return Buffer.from(`${brokerId}\n${json}`)
}

export function decodeWill(bytes: Buffer): { brokerId: string; will: StoredPacket & { clientId: string } } {
  const end = bytes.indexOf(10)
  const { payload, ...rest } = JSON.parse(bytes.toString('utf8', end + 1)) as {
    payload: string
    clientId: string
  }
  const brokerId = bytes.toString('utf8', 0, end)
  return { brokerId, will: { ...rest, payload: Buffer.from(payload, 'base64') } as never }
}
