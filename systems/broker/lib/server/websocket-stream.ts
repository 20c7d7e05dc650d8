import { Duplex } from 'node:stream'
import type { WebSocketPath } from '@token-server/service'

type WebSocket = Parameters<WebSocketPath['onConnection']>[0]

/** RFC 6455, 7.4.1: a kind of data that is not taken. */
const UNSUPPORTED_DATA = 1003

/** The bytes of a WebSocket, however they are split into messages [MQTT-6.0.0-2]. A text message ends it [MQTT-6.0.0-1]. */
export class WebSocketStream extends Duplex {
  readonly #socket: WebSocket

  constructor(socket: WebSocket) {
    super()
    this.#socket = socket
    socket.on('message', (data, isBinary) => {
      if (!isBinary) {
        socket.close(UNSUPPORTED_DATA)
        this.destroy()
      } else if (!this.push(data) && !this.destroyed) {
        socket.pause()
      }
    })
    socket.once('close', () => {
      this.push(null)
      this.destroy()
    })
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.send(chunk, done)
  }

  /** aedes writes a packet in parts. */
  override _writev(writes: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#socket.send(Buffer.concat(writes.map(({ chunk }) => chunk)), done)
  }

  override _final(done: () => void): void {
    this.#socket.close()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // As of any socket that is destroyed, the system sends what it has; what still waits here must not follow.
    if (this.#socket.bufferedAmount > 0) this.#socket.terminate()
    else this.#socket.close()
    if (this.#socket.isPaused) this.#socket.resume() // else the answer to the close is not read
    done(error)
  }
}
