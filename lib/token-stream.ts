import { Duplex } from 'node:stream'
import type { Claim, Consumer } from './consumer'
import { TokenError } from './errors'

/** What the stream needs of its connection in order to write. */
export interface TokenSink {
  readonly closed: Promise<unknown>
  isDead(): boolean
  needsDrain(): boolean
  onceDrained(listener: () => void): void
  send(token: Uint8Array): boolean
  /** Ends the sending half; reading goes on. */
  end(): void
  destroy(): void
}

/**
 * A connection as a Duplex in object mode, for `pipeline`: each chunk is one token.
 *
 * Its readable side holds one token (`highWaterMark` 1), so that what is not read stays with the peer. `end()`
 * flushes and tells the peer that no more comes, reading goes on until the peer has ended too; `destroy()`
 * destroys the connection.
 */
export class TokenStream extends Duplex implements Consumer {
  readonly #sink: TokenSink
  readonly #claim: Claim
  #isWanting = false
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
    return this.#isWanting
  }

  get holdsOpen(): boolean {
    return this.#isWrittenTo && !this.writableEnded
  }

  accept(token: Buffer): void {
    this.#isWanting = this.push(token)
  }

  finish(error: TokenError | null): void {
    this.#isWanting = false
    if (error !== null) this.destroy(error)
    else this.push(null)
    this.#finishWrite(error ?? undefined)
  }

  override _read(): void {
    this.#isWanting = true
    this.#claim.pull()
  }

  override _write(token: Uint8Array, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#isWrittenTo = true
    try {
      const isTaken = this.#sink.send(token)
      if (!isTaken && this.#sink.isDead()) done(deadError())
      else if (isTaken && !this.#sink.needsDrain()) done()
      else this.#waitForDrain(isTaken ? done : () => this._write(token, 'binary', done))
    } catch (error) {
      done(error as Error)
    }
  }

  override _final(done: () => void): void {
    this.#sink.end()
    void this.#sink.closed.then(() => done())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#claim.release()
    this.#sink.destroy()
    this.#finishWrite(error ?? deadError())
    done(error)
  }

  #waitForDrain(done: (error?: Error) => void): void {
    this.#writeDone = done
    this.#sink.onceDrained(() => this.#finishWrite())
  }

  #finishWrite(error?: Error): void {
    const done = this.#writeDone
    this.#writeDone = null
    done?.(error)
  }
}

function deadError(): TokenError {
  return new TokenError('ERR_NOT_SENT', 'Cannot write a token to the stream: its connection is dead')
}
