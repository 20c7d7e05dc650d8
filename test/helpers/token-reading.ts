const PART = 0x85
const ABORT = 0x86

/** Reads what a sender writes, written without the library: tokens in parts, and which of them are void. */
export class TokenReading {
  /** In order; null for a void one. They survive `cut`. */
  readonly tokens: (Buffer | null)[] = []
  /** Bodies of other control frames, and where they stood: before so many bytes of a token in parts. */
  readonly control: { readonly body: Buffer; readonly partBytes: number }[] = []
  readonly partLengths: number[] = []
  #rest: Buffer = Buffer.alloc(0)
  #parts: Buffer[] = []
  #isPart = false

  /** True when the bytes end between two frames of different tokens. */
  get isWhole(): boolean {
    return this.#rest.length === 0 && this.#parts.length === 0 && !this.#isPart
  }

  push(...chunks: Uint8Array[]): this {
    this.#rest = Buffer.concat([this.#rest, ...chunks])
    while (this.#rest.length >= 4) {
      const head = this.#rest.readUInt32BE()
      const length = head & 0x7fff_ffff
      if (this.#rest.length < 4 + length) break
      const body = this.#rest.subarray(4, 4 + length)
      this.#rest = this.#rest.subarray(4 + length)
      if (head >= 0x8000_0000) this.#controlRead(body)
      else this.#dataRead(body)
    }
    return this
  }

  /** The transport is gone, and a token begun with it. */
  cut(): void {
    this.#rest = Buffer.alloc(0)
    this.#parts = []
    this.#isPart = false
  }

  #controlRead(body: Buffer): void {
    if (this.#isPart) throw new Error('a control frame between PART and its data frame')
    if (body[0] === PART) {
      this.#isPart = true
    } else if (body[0] === ABORT) {
      this.#parts = []
      this.tokens.push(null)
    } else {
      this.control.push({ body, partBytes: Buffer.concat(this.#parts).length })
    }
  }

  #dataRead(body: Buffer): void {
    if (this.#isPart) {
      if (body.length < 16_384) throw new Error(`a part of ${body.length} bytes`)
      this.partLengths.push(body.length)
      this.#parts.push(body)
      this.#isPart = false
    } else {
      this.tokens.push(Buffer.concat([...this.#parts, body]))
      this.#parts = []
    }
  }
}
