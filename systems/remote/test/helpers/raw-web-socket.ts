import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onCleanUp } from '@token-server/test-helpers'

const HEADERS = [
  'GET /remote HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
  '\r\n'
].join('\r\n')

export interface RawFrame {
  readonly opcode: number
  readonly payload: Buffer
}

export interface FrameParts {
  readonly isFinal?: boolean
  /** 1, 2 or 4: RSV3, RSV2, RSV1. */
  readonly reserved?: number
  readonly isMasked?: boolean
  /** Instead of the length that it has. */
  readonly announced?: number
}

/** A client of RFC 6455 that can do wrong. */
export class RawWebSocket {
  readonly socket: Socket
  readonly head: string
  readonly frames: RawFrame[] = []
  /** Of the close frame that came. */
  closeCode: number | undefined
  #left = Buffer.alloc(0)
  readonly #ended: Promise<unknown>

  private constructor(socket: Socket, head: string, rest: Buffer) {
    this.socket = socket
    this.head = head
    this.#ended = new Promise(resolve => socket.once('close', resolve))
    socket.on('data', chunk => this.#read(chunk))
    this.#read(rest)
  }

  static async open(port: number): Promise<RawWebSocket> {
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay()
    socket.on('error', () => {})
    onCleanUp(() => socket.destroy())
    socket.write(HEADERS)
    let came = Buffer.alloc(0)
    for (;;) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      came = Buffer.concat([came, chunk])
      const end = came.indexOf('\r\n\r\n')
      if (end < 0) continue
      socket.pause()
      const raw = new RawWebSocket(socket, came.subarray(0, end).toString(), came.subarray(end + 4))
      socket.resume()
      return raw
    }
  }

  send(opcode: number, payload: Uint8Array = Buffer.alloc(0), parts: FrameParts = {}): void {
    this.socket.write(frameBytes(opcode, payload, parts))
  }

  /** Resolves with the code of the server's close frame when the connection has ended; undefined without one. */
  async closed(): Promise<number | undefined> {
    await this.#ended
    return this.closeCode
  }

  /** Resolves with the next frame that is neither a close nor was taken before. */
  async next(): Promise<RawFrame> {
    while (this.frames.length === 0) {
      if (this.socket.destroyed) throw new Error(`it was closed, ${this.closeCode}`)
      await Promise.race([once(this.socket, 'data'), this.#ended])
      await new Promise(setImmediate)
    }
    return this.frames.shift() as RawFrame
  }

  #read(chunk: Buffer): void {
    this.#left = Buffer.concat([this.#left, chunk])
    while (this.#left.length >= 2) {
      const [first, second] = this.#left as unknown as [number, number]
      let [start, length] = [2, second & 127]
      if (length === 126) [start, length] = [4, this.#left.length < 4 ? Infinity : this.#left.readUInt16BE(2)]
      else if (length === 127)
        [start, length] = [10, this.#left.length < 10 ? Infinity : Number(this.#left.readBigUInt64BE(2))]
      if (this.#left.length < start + length) return
      const payload = Buffer.from(this.#left.subarray(start, start + length))
      this.#left = this.#left.subarray(start + length)
      if ((first & 15) === 8) this.closeCode = payload.length < 2 ? 1005 : payload.readUInt16BE(0)
      else this.frames.push({ opcode: first & 15, payload })
    }
  }
}

export function frameBytes(
  opcode: number,
  payload: Uint8Array,
  { isFinal = true, reserved = 0, isMasked = true, announced = payload.length }: FrameParts = {}
): Buffer {
  const first = (isFinal ? 128 : 0) | (reserved << 4) | opcode
  const mask = isMasked ? 128 : 0
  const head =
    announced < 126
      ? Buffer.of(first, mask | announced)
      : announced < 65_536
        ? Buffer.of(first, mask | 126, announced >> 8, announced & 255)
        : Buffer.concat([Buffer.of(first, mask | 127), bigEndian(announced)])
  // A mask of zeros changes nothing.
  return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0), payload])
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
