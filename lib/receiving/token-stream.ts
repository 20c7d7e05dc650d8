import { Duplex } from 'node:stream'
import type { TokenError } from '../errors/token-error'
import { nextTick } from '../runtime/event-loop'
import type { Claim, Consumer } from './consumer'

/** What the stream needs of its connection in order to write. */
export interface TokenSink {
  readonly closed: Promise<{ readonly error: TokenError | null }>
  isDead(): boolean
  /** The error for a token that can't be sent now. */
  refusal(): TokenError
  needsDrain(): boolean
  onceDrained(listener: () => void): void
  send(token: Uint8Array): boolean
  /** Ends the sending half; reading goes on. */
  end(): void
  close(): void
  destroy(): void
}

/**
 * A connection as a Duplex in object mode, for `pipeline`: each chunk is one token.
 *
 * Its readable side holds one token (`highWaterMark` 1), so that what is not read stays with the peer. `end()`
 * flushes and tells the peer that no more comes; reading goes on until the peer has ended too, on token/1 for
 * `closeTimeout` at most. `destroy()` destroys the connection, or closes it when all was read.
 */
export class TokenStream extends Duplex implements Consumer {
  readonly #sink: TokenSink
  readonly #claim: Claim
  #isWanting = false
  #isRead = false
  #isWrittenTo = false
  /** The peer has ended, and the application has not read to there. */
  #isEnding = false
  /** The token that was not read out is in the final count. */
  #isCounted = false
  /** What has broken the connection, while that token is to be read before. */
  #error: TokenError | null = null
  /** Its connection ends by itself, whatever becomes of the stream. */
  #isConnectionOver = false
  /** Set while a write waits for `drain`: ends it when the stream is destroyed. */
  #endWrite: ((error: Error | null) => void) | null = null

  constructor(sink: TokenSink, claim: (consumer: Consumer) => Claim) {
    super({ objectMode: true, readableHighWaterMark: 1, writableHighWaterMark: 1 })
    this.#sink = sink
    this.#claim = claim(this)
    this.once('pipe', () => {
      this.#isWrittenTo = true
    })
    this.once('end', () => {
      this.#isEnding = false
      this.#claim.pull()
    })
    // What was not read keeps `finish` waiting; a write that waits for `drain` must not, which need not come any more.
    void sink.closed.then(({ error }) => {
      if (error !== null) this.#break(error)
      else this.#endWaiting(null)
    })
  }

  get isWanting(): boolean {
    return this.#isWanting
  }

  /** A stream that was read may still answer what was read last; one that only writes has `closeTimeout` from the peer's end. */
  get isBusy(): boolean {
    return this.#isEnding && this.#isRead
  }

  get holdsOpen(): boolean {
    return this.#isWrittenTo && !this.writableEnded
  }

  accept(token: Buffer): void {
    this.#isWanting = this.push(token)
  }

  finish(error: TokenError | null): void {
    this.#isWanting = false
    if (error !== null) {
      this.#break(error)
    } else {
      this.#isEnding = !this.readableEnded
      this.push(null)
    }
  }

  dropUnread(error: TokenError): boolean {
    if (this.readableLength === 0) return false
    this.#break(error)
    return true
  }

  keepUnread(): void {
    this.#isCounted = this.readableLength > 0
  }

  override _read(): void {
    if (this.#error !== null) {
      // Node reads on before it gives out the token.
      nextTick(() => this.destroy(this.#error as TokenError))
      return
    }
    this.#isRead = true
    this.#isWanting = true
    this.#claim.pull()
  }

  override _write(token: Uint8Array, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#isWrittenTo = true
    try {
      if (!this.#sink.send(token)) {
        if (this.#sink.isDead()) this.#refuse(done)
        else
          this.#afterDrain(
            () => this._write(token, encoding, done),
            () => done(this.#sink.refusal())
          )
      } else if (this.#sink.needsDrain()) {
        // It was taken, whatever becomes of the stream.
        this.#afterDrain(done, done)
      } else {
        done()
      }
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
    // Node destroys a stream itself when `for await` has read it to its end: what was written still leaves.
    if (error === null && this.readableEnded) this.#sink.close()
    else if (!this.#isConnectionOver) this.#sink.destroy()
    this.#endWaiting(error)
    done(error)
  }

  #endWaiting(error: Error | null): void {
    const endWrite = this.#endWrite
    this.#endWrite = null
    endWrite?.(error)
  }

  #break(error: TokenError): void {
    this.#isConnectionOver = true
    if (this.#isCounted && this.readableLength > 0) this.#error = error
    else this.destroy(error)
  }

  /** What comes too late does not break a connection that is closing in order, unless that would count an unread token. */
  #refuse(done: (error: Error) => void): void {
    this.#isConnectionOver = this.#isCounted || this.readableLength === 0
    done(this.#sink.refusal())
  }

  #afterDrain(goOn: () => void, giveUp: (error: Error | null) => void): void {
    this.#endWrite = giveUp
    this.#sink.onceDrained(() => {
      if (this.#endWrite === null) return
      this.#endWrite = null
      goOn()
    })
  }
}
