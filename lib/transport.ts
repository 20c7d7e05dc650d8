import type { Duplex } from 'node:stream'

/** What a transport tells its connection. */
export interface TransportEvents {
  onData(chunk: unknown): void
  onEnd(): void
  onError(error: Error): void
  onClose(): void
}

/** One Duplex under a connection: its events, until the connection lets go of it. */
export class Transport {
  readonly socket: Duplex
  readonly #listeners: readonly (readonly [string, (...values: never[]) => void])[]
  #isReleased = false

  constructor(socket: Duplex, events: TransportEvents) {
    this.socket = socket
    this.#listeners = [
      ['error', (error: Error) => events.onError(error)],
      ['close', () => events.onClose()],
      ['end', () => events.onEnd()],
      ['data', (chunk: unknown) => events.onData(chunk)]
    ]
    configure(socket)
    for (const [name, listener] of this.#listeners) socket.on(name, listener as () => void)
    socket.resume()
    if (socket.destroyed) this.#later(() => events.onClose())
    else if (socket.readableEnded) this.#later(() => events.onEnd())
  }

  /** Tells nothing any more. Who takes the socket now must listen; an error that comes meanwhile hurts nobody. */
  release(): void {
    this.#isReleased = true
    this.socket.on('error', () => {})
    for (const [name, listener] of this.#listeners) this.socket.removeListener(name, listener as () => void)
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
