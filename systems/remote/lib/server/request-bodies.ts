import type { IncomingMessage } from 'node:http'
import { RemoteError, type RemoteErrorCode } from '../errors/remote-error'
import { networkOf } from '../quotas/network-of'
import { type Receiver, WaitingBytes } from '../quotas/waiting-bytes'

export interface RequestBodyLimits {
  /** Bytes of one body. */
  readonly maxBytes: number
  /** Bytes of the bodies that are read at once for one address; a further one is refused. Default 8 MiB. */
  readonly maxBytesPerAddress?: number | undefined
  /** Bytes of those for all together; with more the longest are refused. Default 32 MiB. */
  readonly maxBytesInAll?: number | undefined
  /** Milliseconds for one body. Default 10,000. */
  readonly timeout?: number | undefined
}

/** For the first bytes of a body; it doubles from there on. */
const FIRST_BYTES = 4_096

/** Reads bodies of requests, which cost memory before anything is known of who sends them. */
export class RequestBodies {
  readonly #limits: Required<{ readonly [name in keyof RequestBodyLimits]: number }>
  readonly #inAll: WaitingBytes
  readonly #perNetwork = new Map<string, number>()

  constructor({
    maxBytes,
    maxBytesPerAddress = 8_388_608,
    maxBytesInAll = 33_554_432,
    timeout = 10_000
  }: RequestBodyLimits) {
    this.#limits = { maxBytes, maxBytesPerAddress, maxBytesInAll, timeout }
    this.#inAll = new WaitingBytes(maxBytesInAll)
  }

  /** What is kept of bodies that are not whole yet. */
  get waitingBytes(): number {
    return this.#inAll.sum
  }

  /** @throws (rejects) RemoteError `refused`, reason `too-large` or `busy`; `timeout`; `disconnected` when the other side is gone */
  async read(incoming: IncomingMessage): Promise<Uint8Array> {
    const { maxBytes, timeout } = this.#limits
    if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
    const body = new Body(incoming, maxBytes, (one, more) => this.#note(one, more))
    const timer = setTimeout(
      () => body.fail(cannot('timeout', `it took longer than ${timeout} ms`, 'too-slow')),
      timeout
    )
    try {
      return await body.whole
    } finally {
      clearTimeout(timer)
      this.#inAll.forget(body)
      this.#note(body, -body.waitingBytes)
    }
  }

  #note(body: Body, more: number): void {
    const { maxBytesPerAddress } = this.#limits
    const bytes = (this.#perNetwork.get(body.network) ?? 0) + more
    if (bytes > 0) this.#perNetwork.set(body.network, bytes)
    else this.#perNetwork.delete(body.network)
    if (more <= 0) return
    if (bytes > maxBytesPerAddress) body.tooSlow()
    else this.#inAll.note(body, body.waitingBytes)
  }
}

/** One body, in memory that grows with it, however small the pieces are in which it comes. */
class Body implements Receiver {
  readonly network: string
  readonly whole: Promise<Uint8Array>
  readonly #incoming: IncomingMessage
  readonly #most: number
  readonly #onGrow: (body: Body, more: number) => void
  #bytes = Buffer.alloc(0)
  #length = 0
  #settle!: { resolve: (bytes: Uint8Array) => void; reject: (error: RemoteError) => void }

  constructor(incoming: IncomingMessage, most: number, onGrow: (body: Body, more: number) => void) {
    this.#incoming = incoming
    this.network = networkOf(incoming.socket.remoteAddress)
    this.#most = most
    this.#onGrow = onGrow
    this.whole = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    incoming.on('data', this.#onData)
    incoming.once('end', this.#onEnd)
    incoming.once('close', this.#onClose)
    if (incoming.destroyed) this.#onClose()
  }

  get waitingBytes(): number {
    return this.#bytes.length
  }

  tooSlow(): void {
    this.fail(cannot('refused', 'too much is sent at once', 'busy'))
  }

  /** What comes from now on is thrown away. */
  fail(error: RemoteError): void {
    this.#stop()
    this.#settle.reject(error)
  }

  readonly #onData = (piece: Buffer): void => {
    const length = this.#length + piece.length
    if (length > this.#most) {
      this.fail(tooLarge(this.#most))
      return
    }
    if (length > this.#bytes.length) {
      const before = this.#bytes
      this.#bytes = Buffer.allocUnsafeSlow(
        Math.min(Math.max(2 * before.length, length, FIRST_BYTES), this.#most)
      )
      before.copy(this.#bytes)
      this.#onGrow(this, this.#bytes.length - before.length)
    }
    piece.copy(this.#bytes, this.#length)
    this.#length = length
  }

  readonly #onEnd = (): void => {
    this.#stop()
    this.#settle.resolve(this.#bytes.subarray(0, this.#length))
  }

  readonly #onClose = (): void => {
    this.fail(cannot('disconnected', 'the other side is gone'))
  }

  #stop(): void {
    this.#incoming.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose)
    this.#incoming.pause()
  }
}

function tooLarge(most: number): RemoteError {
  return cannot('refused', `it is longer than ${most} bytes`, 'too-large')
}

function cannot(code: RemoteErrorCode, why: string, reason?: string): RemoteError {
  return new RemoteError(
    code,
    `Cannot read a request: because ${why}`,
    reason === undefined ? {} : { reason }
  )
}
