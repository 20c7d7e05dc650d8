import { seededRandom } from './random.js'

/** Bytes of all messages of a ring together: what a processor's cache holds, as in a program that sends what it just made. */
const RING_BYTES = 1024 * 1024
const MAX_RING_LENGTH = 251
const FINAL_TAG = 0xffff

/** The whole content is compared of the first and then about once in this many bytes, its length and its tag always. */
const COMPARE_EVERY_BYTES = 16 * 1024 * 1024
const COMPARE_AT_LEAST_EVERY = 1024

const RAW_CHUNK_LENGTH = 64 * 1024

const rings = new Map()

/** Messages of one size: each begins with its number in the ring, the rest is noise. Both sides make the same. */
export function ringOf(size) {
  let ring = rings.get(size)
  if (ring === undefined) {
    const length = Math.max(2, Math.min(MAX_RING_LENGTH, Math.floor(RING_BYTES / size)))
    ring = Array.from({ length }, (_, index) => {
      const message = noise(size, index + 1)
      message.writeUInt16LE(index, 0)
      return message
    })
    rings.set(size, ring)
  }
  return ring
}

let rawRing

/** Chunks of a stream of bytes without messages: the same noise again and again. */
export function rawChunks() {
  rawRing ??= Array.from({ length: RING_BYTES / RAW_CHUNK_LENGTH }, (_, index) =>
    noise(RAW_CHUNK_LENGTH, index + 1)
  )
  return rawRing
}

const finals = new Map()

/** The last message of a turn: tells how many went before it. */
export function finalMessage(size, count) {
  // The noise is made once for a size, for it takes longer than to send it.
  if (!finals.has(size)) finals.set(size, noise(size, 0))
  const message = Buffer.from(finals.get(size))
  message.writeUInt16LE(FINAL_TAG, 0)
  message.writeUInt32LE(count, 2)
  return message
}

/** Sees that each message of a turn arrives whole, in order, and once. Throws at the first that does not. */
export class MessageCheck {
  count = 0
  isFinished = false
  #size
  #ring
  #next = 0
  #compareEvery

  constructor(size) {
    this.#size = size
    this.#ring = ringOf(size)
    this.#compareEvery = Math.min(COMPARE_AT_LEAST_EVERY, Math.ceil(COMPARE_EVERY_BYTES / size))
  }

  /** @returns true for the last one */
  take(message) {
    return this.takeParts(message, message.length)
  }

  /** A message that comes in parts: the first one, and the length of all together. */
  takeParts(first, length) {
    if (length !== this.#size) throw new Error(`a message of ${length} bytes came instead of ${this.#size}`)
    const tag = first[0] | (first[1] << 8)
    if (tag !== this.#next || this.isFinished) return this.#takeFinal(first, tag)
    this.#next = tag + 1 === this.#ring.length ? 0 : tag + 1
    if (this.count++ % this.#compareEvery === 0) this.#compare(first, this.#ring[tag])
    return false
  }

  #takeFinal(message, tag) {
    if (this.isFinished) throw new Error('a message came after the last one')
    if (tag !== FINAL_TAG) throw new Error(`message ${this.count} has tag ${tag} instead of ${this.#next}`)
    const sent = Buffer.from(message.buffer, message.byteOffset, 6).readUInt32LE(2)
    if (sent !== this.count) throw new Error(`${this.count} messages came of ${sent}`)
    this.isFinished = true
    return true
  }

  #compare(message, expected) {
    if (Buffer.compare(message, expected.subarray(0, message.length)) !== 0) {
      throw new Error(`message ${this.count - 1} has other bytes than those that were sent`)
    }
  }
}

/** The same for a stream of bytes, of which only a place and a number can be checked. */
export class ByteCheck {
  bytes = 0
  #chunks = 0

  take(chunk) {
    const ring = rawChunks()
    const isCompared = ++this.#chunks % 256 === 0
    let offset = isCompared ? 0 : chunk.length - 1
    while (offset < chunk.length) {
      const place = this.bytes + offset
      const expected = ring[Math.floor(place / RAW_CHUNK_LENGTH) % ring.length]
      const within = place % RAW_CHUNK_LENGTH
      const length = Math.min(chunk.length - offset, RAW_CHUNK_LENGTH - within)
      if (expected.compare(chunk, offset, offset + length, within, within + length) !== 0) {
        throw new Error(`the bytes from ${place} on are not those that were sent`)
      }
      offset += length
    }
    this.bytes += chunk.length
  }
}

function noise(length, seed) {
  const random = seededRandom(seed)
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let index = 0; index < words.length; index++) words[index] = random() * 2 ** 32
  return Buffer.from(words.buffer, 0, length)
}
