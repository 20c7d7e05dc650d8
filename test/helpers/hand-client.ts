import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import type { KeyAndCert } from '@token-server/certs'
import { type ControlFrame, decodeControl, encodeControl } from '../../lib/wire/control-frame'
import { FEATURE_ACK, FEATURE_END, FEATURE_SESSION, type Hello, type SessionPart } from '../../lib/wire/hello'
import { frame } from './bytes'
import { onCleanUp } from './loopback'

/** What a client that is made by hand read: control frames with their fields, tokens as buffers. */
export type HandRead = ControlFrame | Buffer

/** A client of token/2 without the library's connection: it says what it is told to. */
export class HandClient {
  readonly read: HandRead[] = []
  readonly socket: TLSSocket
  hasEnded = false
  readonly #fingerprint: Buffer
  #rest = Buffer.alloc(0)

  private constructor(socket: TLSSocket) {
    this.socket = socket
    this.#fingerprint = createHash('sha256').update(socket.getPeerCertificate().raw).digest()
    socket.on('data', chunk => this.#push(chunk))
    socket.on('end', () => {
      this.hasEnded = true
    })
  }

  static async dial(port: number, pair: KeyAndCert, ca: string): Promise<HandClient> {
    const options = { host: '127.0.0.1', port, ca, key: pair.key, cert: pair.cert }
    const socket = connect({ ...options, ALPNProtocols: ['token/2'] })
    onCleanUp(async () => {
      if (socket.closed) return
      socket.destroy()
      await once(socket, 'close')
    })
    await once(socket, 'secureConnect')
    socket.on('error', () => {})
    return new HandClient(socket)
  }

  /** Says HELLO, asks for this session, and resolves with the first frame that comes back; null when none does. */
  async greet(session: SessionPart | null, changes: Partial<Hello> = {}): Promise<ControlFrame | null> {
    const hello: Hello = {
      role: 'client',
      features: FEATURE_ACK | FEATURE_END | (session === null ? 0 : FEATURE_SESSION),
      maxTokenLength: 8_388_608,
      heartbeat: 0,
      receiveWindow: 1_048_576,
      fingerprint: this.#fingerprint,
      session,
      ...changes
    }
    this.socket.write(encodeControl({ type: 'hello', ...hello }))
    await this.has(({ length }) => length > 0)
    return (this.read[0] as ControlFrame | undefined) ?? null
  }

  /** Writes control frames, tokens (strings) and bytes in one piece. */
  say(...what: (ControlFrame | string | Buffer)[]): void {
    const bytes = what.map(one => {
      if (Buffer.isBuffer(one)) return one
      return typeof one === 'string' ? frame(one) : encodeControl(one)
    })
    this.socket.write(Buffer.concat(bytes))
  }

  /** Resolves once what was read satisfies, or when the socket is closed. */
  async has(isThere: (read: readonly HandRead[]) => boolean): Promise<void> {
    while (!isThere(this.read) && !this.socket.closed) await this.#somethingHappens()
  }

  #somethingHappens(): Promise<unknown> {
    return new Promise(resolve => {
      this.socket.once('data', resolve)
      this.socket.once('close', resolve)
    })
  }

  #push(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= 4) {
      const head = this.#rest.readUInt32BE()
      const end = 4 + (head & 0x7fff_ffff)
      if (this.#rest.length < end) return
      const body = this.#rest.subarray(4, end)
      this.#rest = this.#rest.subarray(end)
      if (head < 0x8000_0000) this.read.push(body)
      else this.read.push(decodeControl(body) as ControlFrame)
    }
  }
}
