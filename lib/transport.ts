import type { Duplex } from 'node:stream'

/** What a transport tells its connection; the functions are the listeners themselves. */
export interface TransportEvents {
  readonly onData: (chunk: unknown) => void
  readonly onEnd: () => void
  readonly onError: (error: Error) => void
  readonly onClose: () => void
}

/** One Duplex under a connection: its events, until the connection lets go of it. */
export class Transport {
  readonly socket: Duplex
  readonly #events: TransportEvents
  #isReleased = false

  constructor(socket: Duplex, events: TransportEvents) {
    this.socket = socket
    this.#events = events
    configure(socket)
    socket.on('error', events.onError)
    socket.on('close', events.onClose)
    socket.on('end', events.onEnd)
    socket.on('data', events.onData)
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
    socket.removeListener('data', onData)
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
