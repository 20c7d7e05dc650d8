import type { Duplex } from 'node:stream'
import { SocketReads } from './socket-reads'

/** What a transport tells its connection; the functions are the listeners themselves. */
export interface TransportEvents {
  readonly onData: (chunk: unknown) => void
  /** Where the next bytes belong, null when that is not known. */
  readonly memory: () => Buffer | null
  readonly onEnd: () => void
  readonly onError: (error: Error) => void
  readonly onClose: () => void
}

/** One Duplex under a connection: its events, until the connection lets go of it. */
export class Transport {
  readonly socket: Duplex
  readonly #events: TransportEvents
  /** Undefined where the socket gives `data`. */
  readonly #reads: SocketReads | undefined
  #isReleased = false

  constructor(socket: Duplex, events: TransportEvents) {
    this.socket = socket
    this.#events = events
    this.#reads = SocketReads.of(socket)
    configure(socket)
    socket.on('error', events.onError)
    socket.on('close', events.onClose)
    socket.on('end', events.onEnd)
    this.#listen()
    socket.resume()
    if (socket.destroyed) this.#later(events.onClose)
    else if (socket.readableEnded) this.#later(events.onEnd)
  }

  /** Tells nothing any more. Who takes the socket now must listen; an error that comes meanwhile hurts nobody. */
  release(): void {
    const { socket } = this
    const { onError, onClose, onEnd, onData } = this.#events
    this.#isReleased = true
    socket.on('error', ignore)
    socket.removeListener('error', onError)
    socket.removeListener('close', onClose)
    socket.removeListener('end', onEnd)
    if (this.#reads === undefined) socket.removeListener('data', onData)
    else this.#reads.release()
  }

  #listen(): void {
    const { onData, memory } = this.#events
    if (this.#reads === undefined) this.socket.on('data', onData)
    else this.#reads.attach({ onData, memory })
  }

  #later(tell: () => void): void {
    process.nextTick(() => {
      if (!this.#isReleased) tell()
    })
  }
}

function configure(
  socket: Duplex & { setNoDelay?(on: boolean): void; setKeepAlive?(on: boolean, delay: number): void }
): void {
  // The sides end one by one: what is queued when the peer ends is still flushed.
  socket.allowHalfOpen = true
  socket.setNoDelay?.(true)
  socket.setKeepAlive?.(true, 60_000)
}

function ignore(): void {}
