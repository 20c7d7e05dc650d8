/** Why bytes are not DER; for the caller to translate. */
export class DerError extends Error {
  override readonly name = 'DerError'
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31
} as const

/**
 * Reads DER (X.690) from the front: definite lengths in their shortest form, tags of one byte, nothing behind the
 * end. It goes into an element only when its caller does, so its depth is that of the caller's code. Every method
 * throws {@link DerError} at what it was not asked for.
 */
export class DerReader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = at
    this.#end = end
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end
  }

  /** Whether an element with this tag comes next. */
  isNext(tag: number): boolean {
    return this.#at < this.#end && this.#bytes[this.#at] === tag
  }

  /** The contents of the next element, as a view. */
  read(tag: number): Buffer {
    const start = this.#open(tag)
    return this.#bytes.subarray(start, this.#at)
  }

  /** The next element with its tag and length, as a view. */
  readWhole(tag: number): Buffer {
    const start = this.#at
    this.#open(tag)
    return this.#bytes.subarray(start, this.#at)
  }

  /** A reader of the next element's contents. */
  enter(tag: number): DerReader {
    const start = this.#open(tag)
    return new DerReader(this.#bytes, start, this.#at)
  }

  /** The tag of the next element, and its contents, whatever it is. */
  readAny(): { tag: number; contents: Buffer } {
    const tag = this.#bytes[this.#at]
    if (this.#at >= this.#end || tag === undefined) throw new DerError('it ends too early')
    return { tag, contents: this.read(tag) }
  }

  /** The next INTEGER, as {@link integerToHex} writes it. */
  readInteger(tag: number = TAG.integer): string {
    return integerToHex(this.read(tag))
  }

  /** The next UTCTime or GeneralizedTime in the forms of RFC 5280, 4.1.2.5: milliseconds since 1970. */
  readTime(): number {
    return this.isNext(TAG.utcTime)
      ? parseTime(this.read(TAG.utcTime), 2)
      : parseTime(this.read(TAG.generalizedTime), 4)
  }

  /** Only TRUE can be written where the default is FALSE. */
  readTrue(): boolean {
    if (!this.isNext(TAG.boolean)) return false
    const contents = this.read(TAG.boolean)
    if (contents.length !== 1 || contents[0] !== 0xff) throw new DerError('a BOOLEAN is not TRUE')
    return true
  }

  /** Refuses what follows. */
  expectEnd(): void {
    if (!this.isAtEnd) throw new DerError('something stands behind its end')
  }

  /** Steps over the next element and says where its contents start; they end where the reader is then. */
  #open(tag: number): number {
    const bytes = this.#bytes
    if (this.#at + 2 > this.#end) throw new DerError('it ends too early')
    if (bytes[this.#at] !== tag || (tag & 0x1f) === 0x1f) {
      throw new DerError(`tag ${bytes[this.#at]} stands where ${tag} should`)
    }
    let start = this.#at + 2
    let length = bytes[this.#at + 1] as number
    if (length >= 0x80) {
      const count = length - 0x80
      if (count < 1 || count > 4 || start + count > this.#end) throw new DerError('a length is not readable')
      length = bytes.readUIntBE(start, count)
      if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw new DerError('a length is too long')
      start += count
    }
    if (start + length > this.#end) throw new DerError('it ends too early')
    this.#at = start + length
    return start
  }
}

/** As Node writes a serial number: upper-case hex, without the zero byte in front; `-` before two's complement. */
export function integerToHex(contents: Buffer): string {
  const [first, second] = contents
  if (first === undefined) throw new DerError('an INTEGER is empty')
  if (second !== undefined && first === (second < 0x80 ? 0 : 0xff))
    throw new DerError('an INTEGER is too long')
  const hex = contents.toString('hex', first === 0 && second !== undefined ? 1 : 0).toUpperCase()
  return first < 0x80 ? hex : `-${hex}`
}

/** An OID's contents, dotted. */
export function oidToString(contents: Buffer): string {
  const parts: bigint[] = []
  let value = 0n
  let isInside = false
  for (const byte of contents) {
    if (!isInside && byte === 0x80) throw new DerError('an OID is too long')
    value = (value << 7n) | BigInt(byte & 0x7f)
    isInside = byte >= 0x80
    if (isInside) continue
    parts.push(value)
    value = 0n
  }
  const [first] = parts
  if (isInside || first === undefined || contents.length > 32) throw new DerError('an OID is not readable')
  const root = first < 80n ? first / 40n : 2n
  return [root, first - root * 40n, ...parts.slice(1)].join('.')
}

function parseTime(contents: Buffer, yearDigits: 2 | 4): number {
  const text = contents.toString('latin1')
  if (!(yearDigits === 2 ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text)) throw new DerError('a time is not readable')
  const digits = Number(text.slice(0, yearDigits))
  // RFC 5280, 4.1.2.5.1: two digits mean 1950 to 2049.
  const year = String(yearDigits === 4 ? digits : digits + (digits < 50 ? 2000 : 1900)).padStart(4, '0')
  const [month, day, hour, minute, second] = text.slice(yearDigits).match(/\d\d/g) as string[]
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`
  const time = Date.parse(iso)
  // Date takes 30 February for 1 March.
  if (Number.isNaN(time) || new Date(time).toISOString() !== iso) throw new DerError('a time does not exist')
  return time
}
