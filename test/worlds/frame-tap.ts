import { TOKEN_HEAD, tokenId } from './token'

/** What a tap sees of the frames of one direction of a transport. */
export interface TapEvents {
  /** The first bytes of a token passed. */
  onBegun(id: string): void
  /** Its last byte passed. */
  onWhole(id: string): void
  onClose(code: number): void
}

const CONTROL = 0x8000_0000
const PART = 0x85
const ABORT = 0x86
const CLOSE = 0x89
const ANSWER = 0x8d

/** Reads along with the frames of token/2 (docs/wire-format.md), by a reader of its own. */
export class FrameTap {
  /** True when a frame has begun of which too little passed to tell whose it is. */
  isUncertain = false
  readonly #events: TapEvents
  #head = Buffer.alloc(0)
  /** Bytes that are missing of the frame at hand; null between two frames. */
  #missing: number | null = null
  #isControl = false
  /** The first bytes of the frame at hand. */
  #start = Buffer.alloc(0)
  #isPart = false
  /** The data frame that follows is an answer, and no token. */
  #isAnswer = false
  #token: string | null = null

  constructor(events: TapEvents) {
    this.#events = events
  }

  push(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0 || this.#missing === 0)
      rest = this.#missing === null ? this.#readHead(rest) : this.#readBody(rest)
    this.isUncertain =
      this.#token === null &&
      !this.#isControl &&
      !this.#isAnswer &&
      (this.#head.length > 0 || this.#missing !== null)
  }

  #readHead(bytes: Buffer): Buffer {
    const taken = 4 - this.#head.length
    this.#head = Buffer.concat([this.#head, bytes.subarray(0, taken)])
    if (this.#head.length < 4) return Buffer.alloc(0)
    const head = this.#head.readUInt32BE()
    this.#head = Buffer.alloc(0)
    this.#isControl = head >= CONTROL
    this.#missing = this.#isControl ? head - CONTROL : head
    this.#start = Buffer.alloc(0)
    return bytes.subarray(taken)
  }

  #readBody(bytes: Buffer): Buffer {
    const body = bytes.subarray(0, this.#missing as number)
    this.#missing = (this.#missing as number) - body.length
    if (this.#start.length < TOKEN_HEAD) {
      this.#start = Buffer.concat([this.#start, body.subarray(0, TOKEN_HEAD - this.#start.length)])
      const isToken = !this.#isControl && !this.#isAnswer
      if (isToken && this.#token === null && this.#start.length === TOKEN_HEAD) this.#begin()
    }
    if (this.#missing === 0) this.#end()
    return bytes.subarray(body.length)
  }

  #begin(): void {
    this.#token = tokenId(this.#start)
    if (this.#token !== null) this.#events.onBegun(this.#token)
  }

  #end(): void {
    this.#missing = null
    const type = this.#isControl ? this.#start[0] : null
    if (type === PART) this.#isPart = true
    else if (type === ANSWER) this.#isAnswer = true
    else if (type === ABORT) this.#token = null
    else if (type === CLOSE) this.#events.onClose(this.#start.readUInt16BE(1))
    else if (type === null) this.#endFrame()
    this.#isControl = false
  }

  #endFrame(): void {
    if (this.#isAnswer) {
      this.#isAnswer = false
      return
    }
    if (!this.#isPart) {
      if (this.#token !== null) this.#events.onWhole(this.#token)
      this.#token = null
    }
    this.#isPart = false
  }
}
