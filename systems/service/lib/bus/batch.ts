/**
 * The messages of one bus between two turns of its timer, as they travel:
 *
 * ```
 *  0        1       2          18               24              30
 *  | version | flags | publisher | first number | next number    | frames …
 *  |    1    |  u8   | 16 bytes  |     u48      |     u48        |
 *
 *  a frame: | bytes of the topic, u16 | bytes of the payload, u32 | topic, UTF-8 | payload |
 * ```
 *
 * All numbers are big-endian. Each message of a publisher has a number, from 0 on; a batch without frames is a heartbeat. Flag 1:
 * the publisher has dropped messages right before these.
 */
const VERSION = 1
const HEADER_LENGTH = 30
const FRAME_HEADER_LENGTH = 6
const DROPPED = 1

export const ID_LENGTH = 16
export const MAX_TOPIC_BYTES = 0xffff

const LEAST_BUFFER = 4_096

/** Gathers messages, each of which is copied once. */
export class BatchWriter {
  readonly #id: Buffer
  #first = 0
  #next = 0
  #buffer = Buffer.alloc(0)
  #length = HEADER_LENGTH
  #expected = LEAST_BUFFER
  #hasDropped = false

  /** @param id of the publisher, 16 bytes */
  constructor(id: Buffer) {
    this.#id = id
  }

  /** Bytes of the messages gathered. */
  get length(): number {
    return this.#length - HEADER_LENGTH
  }

  /** The number of the first message gathered. */
  get first(): number {
    return this.#first
  }

  /** The next batch has to say that messages before it were dropped. */
  get hasDropped(): boolean {
    return this.#hasDropped
  }

  /** The number that the next message will have. */
  get next(): number {
    return this.#next
  }

  add(topic: string, topicBytes: number, payload: Uint8Array): void {
    const end = this.#length + FRAME_HEADER_LENGTH + topicBytes + payload.length
    if (end > this.#buffer.length) this.#grow(end)
    const buffer = this.#buffer
    let at = buffer.writeUInt16BE(topicBytes, this.#length)
    at = buffer.writeUInt32BE(payload.length, at)
    at += buffer.write(topic, at, 'utf8')
    buffer.set(payload, at)
    this.#length = end
    this.#next++
  }

  /** The next batch says that messages before it were dropped. */
  dropped(): void {
    this.#hasDropped = true
  }

  /** @returns all that was gathered, whose bytes are the caller's then */
  take(): Batch {
    if (this.#buffer.length === 0) this.#grow(HEADER_LENGTH)
    const bytes = this.#buffer.subarray(0, this.#length)
    bytes.writeUInt8(VERSION, 0)
    bytes.writeUInt8(this.#hasDropped ? DROPPED : 0, 1)
    this.#id.copy(bytes, 2)
    bytes.writeUIntBE(this.#first, 18, 6)
    bytes.writeUIntBE(this.#next, 24, 6)
    const batch = { bytes, count: this.#next - this.#first, next: this.#next }
    // About as much as in this one will come in the next.
    this.#expected = Math.max(LEAST_BUFFER, Math.ceil(this.#length * 1.25))
    this.#buffer = Buffer.alloc(0)
    this.#length = HEADER_LENGTH
    this.#first = this.#next
    this.#hasDropped = false
    return batch
  }

  #grow(least: number): void {
    const larger = Buffer.allocUnsafe(Math.max(least, 2 * this.#buffer.length, this.#expected))
    this.#buffer.copy(larger, 0, 0, Math.min(this.#length, this.#buffer.length))
    this.#buffer = larger
  }
}

export interface Batch {
  readonly bytes: Buffer
  /** Messages in it. */
  readonly count: number
  /** The number of the message after the last one. */
  readonly next: number
}

/** Marks a batch as one before which messages were dropped. */
export function markDropped({ bytes }: Batch): void {
  bytes.writeUInt8(bytes.readUInt8(1) | DROPPED, 1)
}

export interface BatchHeader {
  /** Hex. */
  readonly from: string
  readonly first: number
  readonly next: number
  readonly hasDropped: boolean
}

/** @returns null for what is no batch of this version, whoever sent it */
export function readHeader(bytes: Buffer): BatchHeader | null {
  if (bytes.length < HEADER_LENGTH || bytes.readUInt8(0) !== VERSION) return null
  return {
    from: bytes.toString('hex', 2, 2 + ID_LENGTH),
    first: bytes.readUIntBE(18, 6),
    next: bytes.readUIntBE(24, 6),
    hasDropped: (bytes.readUInt8(1) & DROPPED) !== 0
  }
}

/**
 * Gives the messages of a batch, as views of it.
 *
 * @param skip as many of them are left out at the beginning
 * @returns false when the bytes are no whole number of frames
 */
export function readFrames(
  bytes: Buffer,
  skip: number,
  onMessage: (topic: string, payload: Buffer) => void
): boolean {
  let at = HEADER_LENGTH
  for (let index = 0; at < bytes.length; index++) {
    if (at + FRAME_HEADER_LENGTH > bytes.length) return false
    const topicAt = at + FRAME_HEADER_LENGTH
    const payloadAt = topicAt + bytes.readUInt16BE(at)
    const end = payloadAt + bytes.readUInt32BE(at + 2)
    if (end > bytes.length) return false
    if (index >= skip) onMessage(bytes.toString('utf8', topicAt, payloadAt), bytes.subarray(payloadAt, end))
    at = end
  }
  return true
}
