import { Duplex } from 'node:stream'
import type { Claim, Consumer } from './consumer'
import { TokenError } from './errors'

/** What the stream needs of its connection in order to write. */
export interface TokenSink {
  readonly isDead: boolean
  readonly writableNeedDrain: boolean
  readonly closed: Promise<unknown>
  send(token: Uint8Array): boolean
  close(): boolean
  destroy(): void
  once(event: 'drain', listener: () => void): unknown
}

/**
 * A connection as a Duplex in object mode, for `pipeline`: each chunk is one token.
 *
 * Its readable side holds one token (`highWaterMark` 1), so that what is not read stays with the peer. `end()`
 * flushes and closes the connection; `destroy()` destroys it.
 */
export class TokenStream extends Duplex implements Consumer {
  readonly #sink: TokenSink
  readonly #claim: Claim
  #wanting = false
  #isWrittenTo = false
  /** Set while a write waits for `drain`. */
  #writeDone: ((error?: Error) => void) | null = null

  constructor(sink: TokenSink, claim: (consumer: Consumer) => Claim) {
    super({ objectMode: true, readableHighWaterMark: 1, writableHighWaterMark: 1 })
    this.#sink = sink
    this.#claim = claim(this)
    this.once('pipe', () => {
      this.#isWrittenTo = true
    })
  }

  get isWanting(): boolean {
    return this.#wanting
  }

  get holdsOpen(): boolean {
    return this.#isWrittenTo && !this.writableEnded
  }

  accept(token: Buffer): void {
    this.#wanting = this.push(token)
  }

  finish(error: TokenError | null): void {
    this.#wanting = false
    if (error !== null) this.destroy(error)
    else this.push(null)
    this.#finishWrite(error ?? undefined)
  }

  override _read(): void {
    this.#wanting = true
    this.#claim.pull()
  }

  override _write(token: Uint8Array, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#isWrittenTo = true
    try {
      if (!this.#sink.send(token)) {
        done(new TokenError('ERR_NOT_SENT', 'Cannot write a token to the stream: its connection is dead'))
      } else if (this.#sink.writableNeedDrain) {
        this.#writeDone = done
        this.#sink.once('drain', () => this.#finishWrite())
      } else {
        done()
      }
    } catch (error) {
      done(error as Error)
    }
  }

  override _final(done: () => void): void {
    this.#sink.close()
    void this.#sink.closed.then(() => done())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#claim.release()
    this.#sink.destroy()
    this.#finishWrite(error ?? undefined)
    done(error)
  }

  #finishWrite(error?: Error): void {
    const done = this.#writeDone
    this.#writeDone = null
    done?.(error)
  }
}
