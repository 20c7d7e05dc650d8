import type { Duplex } from 'node:stream'

/** Bytes that a client may send without completing a frame, until it is trusted. */
const MAX_UNFINISHED = 65_536

/** Counts what comes of a client that has shown nothing yet, from one whole frame to the next. */
export class UnfinishedBytes {
  readonly #socket: Duplex
  readonly #onTooMany: () => void
  #bytes = 0

  /** @param onTooMany is told once */
  constructor(socket: Duplex, onTooMany: () => void) {
    this.#socket = socket
    this.#onTooMany = onTooMany
    // Before whoever finds the frames in it.
    socket.prependListener('data', this.#count)
  }

  /** A frame has come to its end. */
  finished(): void {
    this.#bytes = 0
  }

  stop(): void {
    this.#socket.removeListener('data', this.#count)
  }

  readonly #count = ({ length }: Uint8Array): void => {
    this.#bytes += length
    if (this.#bytes <= MAX_UNFINISHED) return
    this.stop()
    this.#onTooMany()
  }
}
