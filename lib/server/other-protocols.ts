import type { TLSSocket } from 'node:tls'
import { Deadline } from '../runtime/deadline'
import { classify, type FirstBytes } from '../wire/foreign-protocols'
import type { OtherProtocol } from './server-options'

/** The ALPN names of the protocols that are known by their first bytes. */
const ALPN_OF: Partial<Record<FirstBytes, string>> = { http: 'http/1.1', mqtt: 'mqtt' }

/** Milliseconds without a byte after which a socket that was given away is destroyed. */
const IDLE_TIMEOUT = 120_000

/** The protocols beside token/* on the port of a server, and the sockets that were given to them. */
export class OtherProtocols {
  readonly #protocols: Readonly<Record<string, OtherProtocol>>
  readonly #sockets = new Map<TLSSocket, OtherProtocol>()
  #strangers = 0
  #deadline: Deadline | null = null

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

  /** Sockets that were given away and whose client showed no trusted certificate. */
  get strangers(): number {
    return this.#strangers
  }

  /** Gives a socket away. */
  handOver(socket: TLSSocket, protocol: OtherProtocol, isStranger: boolean): void {
    this.#sockets.set(socket, protocol)
    if (isStranger) this.#strangers++
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (isStranger) this.#strangers--
    })
    destroyWhenIdle(socket, protocol.idleTimeout ?? IDLE_TIMEOUT)
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

  /** The sockets are their owners' to end; what is left after so many milliseconds is destroyed. */
  endWithin(timeout: number): void {
    if (this.#sockets.size === 0) return
    this.#deadline = new Deadline(Math.max(timeout, 1), () => {
      for (const socket of [...this.#sockets.keys()]) socket.destroy()
    })
    this.#deadline.arm()
  }

  /** All have ended. */
  ended(): void {
    this.#deadline?.clear()
  }

  /** Reads as much as is needed to tell, puts it back, and says which protocol it is; null for token/1. */
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

/** Whoever owns the socket may use its own timeout for something else, or forget it. */
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
