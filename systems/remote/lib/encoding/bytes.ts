const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text)
}

/** Whether a text has more bytes than that; a short one is not encoded to tell. */
export function isLonger(text: string, maxBytes: number): boolean {
  return text.length > maxBytes || (text.length * 3 > maxBytes && utf8(text).length > maxBytes)
}

/** @throws TypeError when the bytes are no UTF-8 */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}

/**
 * A length of two bytes, big endian, then the bytes.
 *
 * @throws RangeError for more than 65,535 bytes
 */
export function prefixed(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.length > 0xffff) throw new RangeError(`${bytes.length} bytes have no length of two bytes`)
  return concat(Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes)
}

/** A copy that shares no memory with `bytes`, which may be a Buffer of a pool. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}

/** Reads what {@link prefixed} wrote, piece after piece. Every read says undefined once there are too few bytes. */
export class ByteReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get offset(): number {
    return this.#offset
  }

  /** The next bytes, a view. */
  take(length: number): Uint8Array | undefined {
    const end = this.#offset + length
    if (end > this.#bytes.length) return undefined
    const piece = this.#bytes.subarray(this.#offset, end)
    this.#offset = end
    return piece
  }

  takeByte(): number | undefined {
    return this.take(1)?.[0]
  }

  takePrefixed(): Uint8Array | undefined {
    const length = this.take(2)
    return length && this.take(((length[0] as number) << 8) | (length[1] as number))
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#offset)
  }
}
