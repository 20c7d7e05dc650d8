import type { TLSSocket } from 'node:tls'
import { Deadline } from '../runtime/deadline'
import { classify, type FirstBytes } from '../wire/foreign-protocols'
import type { OtherProtocol } from './server-options'

/** The ALPN names of the protocols that are known by their first bytes. */
const ALPN_OF: Partial<Record<FirstBytes, string>> = { http: 'http/1.1', mqtt: 'mqtt' }

/** Default of `idleTimeout`, milliseconds. */
const IDLE_TIMEOUT = 120_000

/** The protocols beside token/* on the port of a server, and the sockets that were given to their handlers. */
export class OtherProtocols {
  readonly #protocols: Readonly<Record<string, OtherProtocol>>
  readonly #sockets = new Map<TLSSocket, OtherProtocol>()
  #strangers = 0
  #deadline: Deadline | null = null

  constructor(protocols: Readonly<Record<string, OtherProtocol>> = {}) {
    this.#protocols = protocols
  }

  /** The ALPN names. */
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

  /** Sockets that were given away and whose client showed no trusted certificate. */
  get strangers(): number {
    return this.#strangers
  }

  handOver(socket: TLSSocket, protocol: OtherProtocol, isStranger: boolean): void {
    this.#sockets.set(socket, protocol)
    if (isStranger) this.#strangers++
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (isStranger) this.#strangers--
    })
    destroyWhenIdle(socket, protocol.idleTimeout ?? IDLE_TIMEOUT)
    // Node leaves the socket open after an error of TLS.
    socket.on('error', () => socket.destroy())
    protocol.handler(socket)
  }

  /** Destroys the sockets of protocols which demand a certificate, where that is not trusted any more. */
  recheck(isTrusted: (socket: TLSSocket) => boolean): void {
    for (const [socket, { clientCertificate }] of this.#sockets)
      if (clientCertificate === 'required' && !isTrusted(socket)) socket.destroy()
  }

  /** Leaves it to the handlers to end their sockets; those that are left after so many milliseconds are destroyed. */
  endWithin(timeout: number): void {
    if (this.#sockets.size === 0) return
    this.#deadline = new Deadline(Math.max(timeout, 1), () => {
      for (const socket of [...this.#sockets.keys()]) socket.destroy()
    })
    this.#deadline.arm()
  }

  ended(): void {
    this.#deadline?.clear()
  }

  /** Finds out by the first bytes which protocol a client speaks, and puts them back; null for token/1. */
  sniff(socket: TLSSocket, onKnown: (protocol: OtherProtocol | null) => void): void {
    let seen = Buffer.alloc(0)
    const settle = (kind: FirstBytes) => {
      socket.removeListener('readable', look)
      if (seen.length > 0) socket.unshift(seen)
      const name = ALPN_OF[kind]
      onKnown(name === undefined ? null : this.get(name))
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

/** It leaves the socket's own timeout alone, which its handler may use for something else. */
function destroyWhenIdle(socket: TLSSocket, timeout: number): void {
  const passed = () => socket.bytesRead + socket.bytesWritten
  let before = passed()
  const limit = new Deadline(timeout, () => {
    const now = passed()
    if (now === before) {
      socket.destroy()
      return
    }
    before = now
    limit.arm()
  })
  limit.arm()
  socket.once('close', () => limit.clear())
}
