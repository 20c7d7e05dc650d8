import type { Duplex } from 'node:stream'
import type { CloseCode } from '../errors/close-info'
import { FrameWatch } from './frame-watch'
import type { Protocol, ProtocolHost } from './protocol'

/** Bytes that are read ahead of the consumer before the socket is paused, so that an end is noticed. */
const READ_AHEAD_BYTES = 64 * 1024

/**
 * The bare protocol, `docs/wire-format.md` section 4: data frames and nothing else.
 *
 * Without a consumer that wants, it reads 64 KiB ahead and then pauses the socket, so that the rest stays with
 * the peer. A paused socket with bytes queued notices neither the peer's end nor its reset: that is a limit of
 * token/1, and shows at the next write.
 */
export class Token1 implements Protocol {
  readonly #host: ProtocolHost
  /** Made for the first token that does not come whole. */
  #frameWatch: FrameWatch | null = null
  #bytesRead = 0
  #isPaused = false

  constructor(host: ProtocolHost) {
    this.#host = host
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  read(chunk: Buffer): void {
    const { receiver, sender, session } = this.#host
    this.#host.active()
    session.bytesRead += chunk.length
    this.#bytesRead += chunk.length
    receiver.push(chunk)
    sender.cork()
    receiver.deliver()
    sender.uncork()
  }

  delivered(isDrained: boolean): void {
    const { receiver } = this.#host
    if (isDrained) {
      this.#setPaused(false)
      this.#watchFrame(receiver.isMidFrame, receiver.tokens)
    } else {
      this.#frameWatch?.suspend()
      this.#host.tokensWait()
      this.#setPaused(receiver.unreadBytes >= READ_AHEAD_BYTES)
    }
  }

  #watchFrame(isMidFrame: boolean, tokens: number): void {
    if (isMidFrame) this.#frameWatch ??= new FrameWatch(this.#host)
    this.#frameWatch?.update(isMidFrame, tokens, this.#bytesRead)
    this.#bytesRead = 0
  }

  transportEnded(): void {
    this.#frameWatch?.suspend()
    this.#host.receiver.end()
  }

  allHanded(holdsOpen: boolean): void {
    if (holdsOpen) this.#host.armClose()
    else this.#host.beginClose('normal')
  }

  close(_code: CloseCode): void {
    this.#host.receiver.discardUnclaimed()
    this.#host.sender.end()
  }

  discarding(): void {
    this.#frameWatch?.suspend()
    this.#setPaused(false)
  }

  flushed(): void {
    this.#host.socket.end()
  }

  endSending(): void {
    this.#host.beginClose('normal')
  }

  stop(): void {
    this.#frameWatch?.clear()
  }

  #setPaused(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return
    this.#isPaused = isPaused
    if (isPaused) pause(this.#host.socket)
    else this.#host.socket.resume()
    this.#host.active()
  }
}

/**
 * Node would go on until 16 KiB are there, and keeps each TLS record by itself: of one byte each, those take 3.5 MiB. There
 * is no public way to make it stop at the first one.
 */
function pause(socket: Duplex & { _readableState?: { highWaterMark: number } }): void {
  if (socket._readableState !== undefined) socket._readableState.highWaterMark = 1
  socket.pause()
}
