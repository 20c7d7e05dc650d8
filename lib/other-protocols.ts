import type { TLSSocket } from 'node:tls'
import { classify, type FirstBytes } from './first-bytes'
import type { OtherProtocol } from './server-options'

/** The ALPN names of the protocols that are known by their first bytes. */
const ALPN_OF: Partial<Record<FirstBytes, string>> = { http: 'http/1.1', mqtt: 'mqtt' }

/** The protocols beside token/* on the port of a server, and the sockets that were given to them. */
export class OtherProtocols {
  readonly #protocols: Readonly<Record<string, OtherProtocol>>
  readonly #sockets = new Map<TLSSocket, OtherProtocol>()

  constructor(protocols: Readonly<Record<string, OtherProtocol>> = {}) {
    this.#protocols = protocols
  }

  /** Their ALPN names. */
  get names(): readonly string[] {
    return Object.keys(this.#protocols)
  }

  /** True when a client that named none by ALPN must be judged by its first bytes. */
  get needsFirstBytes(): boolean {
    return Object.values(ALPN_OF).some(name => Object.hasOwn(this.#protocols, name))
  }

  get(name: string): OtherProtocol | null {
    return Object.hasOwn(this.#protocols, name) ? (this.#protocols[name] as OtherProtocol) : null
  }

  /** Gives a socket away. */
  handOver(socket: TLSSocket, protocol: OtherProtocol): void {
    this.#sockets.set(socket, protocol)
    socket.once('close', () => this.#sockets.delete(socket))
    // After an error of TLS Node leaves the socket open.
    socket.on('error', () => socket.destroy())
    protocol.handler(socket)
  }

  /** The sockets that were given away to a protocol which demands a certificate. */
  withCertificate(): TLSSocket[] {
    return [...this.#sockets]
      .filter(([, { clientCertificate }]) => clientCertificate === 'required')
      .map(([socket]) => socket)
  }

  /** Destroys the sockets that were given away. */
  destroyAll(): void {
    for (const socket of [...this.#sockets.keys()]) socket.destroy()
  }

  get openSockets(): number {
    return this.#sockets.size
  }

  /** Reads as much as is needed to tell, puts it back, and says which protocol it is; null for token/1. */
  sniff(socket: TLSSocket, onKnown: (name: string | null) => void): void {
    let seen = Buffer.alloc(0)
    const settle = (kind: FirstBytes) => {
      socket.removeListener('readable', look)
      if (seen.length > 0) socket.unshift(seen)
      const name = ALPN_OF[kind]
      onKnown(name !== undefined && Object.hasOwn(this.#protocols, name) ? name : null)
    }
    const look = () => {
      const chunk = socket.read() as Buffer | null
      if (chunk === null) {
        if (socket.readableEnded) settle('unknown')
        return
      }
      seen = Buffer.concat([seen, chunk])
      const kind = classify(seen)
      if (kind !== 'more') settle(kind)
    }
    socket.on('readable', look)
  }
}
