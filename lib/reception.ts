import type { Socket } from 'node:net'
import type { Server, TLSSocket } from 'node:tls'
import { TokenError, type TokenErrorCode } from './errors'
import type { ServerSettings } from './options'
import { codeOf } from './socket-error'

/** Someone who came to the port of a server and got no connection. */
export interface Refusal {
  /** The address that came; `unknown` when it was gone before it could be read. */
  readonly address: string
  readonly port: number
  /** The code of `error`. */
  readonly code: TokenErrorCode
  readonly error: TokenError
}

/** What a reception tells its server. */
export interface ReceptionEvents {
  onAccepted(socket: TLSSocket): void
  onRefused(refusal: Refusal): void
}

/** A TCP connection from its accept to its close. */
interface Visitor {
  readonly address: string
  readonly port: number
  state: 'pending' | 'accepted' | 'refused'
}

/**
 * Everyone between accept and the end of the TLS handshake: limits before any TLS work is done, and a refusal
 * told for each that gets no connection.
 *
 * Node's own `handshakeTimeout` emits an error and closes nothing, and `server.close()` waits for half-done
 * handshakes for ever: so each raw socket is known here and destroyed.
 */
export class Reception {
  readonly #settings: ServerSettings
  readonly #events: ReceptionEvents
  /** Closed sockets are known too: Node tells why it refused a certificate only after the raw socket's close. */
  readonly #visitors = new WeakMap<Socket, Visitor>()
  /** In the order in which they came. */
  readonly #pending = new Set<Socket>()
  #accepted = 0
  readonly #countByAddress = new Map<string, number>()

  constructor(server: Server, settings: ServerSettings, events: ReceptionEvents) {
    this.#settings = settings
    this.#events = events
    this.#standBefore(server)
    server.on('tlsClientError', (error, socket) => this.#handshakeFailed(error, socket))
    server.on('secureConnection', socket => this.#handshakeDone(socket))
  }

  /** Handshakes under way. */
  get pending(): number {
    return this.#pending.size
  }

  /** Cuts every handshake under way. */
  refuseAll(error: TokenError): void {
    for (const raw of [...this.#pending]) this.#refuse(raw, error)
  }

  /** Puts the limits before Node's own listener, which begins the TLS work. */
  #standBefore(server: Server): void {
    const listeners = server.listeners('connection') as ((raw: Socket) => void)[]
    server.removeAllListeners('connection')
    server.on('connection', (raw: Socket) => {
      if (this.#admit(raw)) for (const listener of listeners) listener.call(server, raw)
    })
  }

  #admit(raw: Socket): boolean {
    const visitor: Visitor = {
      address: raw.remoteAddress ?? 'unknown',
      port: raw.remotePort ?? 0,
      state: 'pending'
    }
    this.#visitors.set(raw, visitor)
    this.#pending.add(raw)
    const fromAddress = (this.#countByAddress.get(visitor.address) ?? 0) + 1
    this.#countByAddress.set(visitor.address, fromAddress)
    raw.once('close', () => this.#left(visitor))
    raw.on('error', () => {})
    return this.#isWithinLimits(raw, fromAddress)
  }

  #isWithinLimits(raw: Socket, fromAddress: number): boolean {
    const { maxConnectionsPerAddress, maxPendingHandshakes } = this.#settings
    if (this.#isFull(raw)) return false
    if (fromAddress > maxConnectionsPerAddress) {
      const code = 'ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS'
      this.#refuse(raw, limitError(code, 'maxConnectionsPerAddress', maxConnectionsPerAddress))
    } else if (this.#pending.size > maxPendingHandshakes) {
      const [oldest] = this.#pending
      const error = limitError('ERR_TOO_MANY_HANDSHAKES', 'maxPendingHandshakes', maxPendingHandshakes)
      if (oldest) this.#refuse(oldest, error)
    }
    return this.#pending.has(raw)
  }

  /** Asked at accept, so that no TLS work is done for nothing, and again when the handshake is done. */
  #isFull(raw: Socket): boolean {
    const { maxConnections } = this.#settings
    if (this.#accepted < maxConnections) return false
    this.#refuse(raw, limitError('ERR_TOO_MANY_CONNECTIONS', 'maxConnections', maxConnections))
    return true
  }

  #handshakeDone(socket: TLSSocket): void {
    const raw = rawOf(socket)
    const visitor = raw && this.#visitors.get(raw)
    if (!raw || visitor?.state !== 'pending') {
      socket.destroy()
    } else if (!this.#isFull(raw)) {
      visitor.state = 'accepted'
      this.#accepted++
      this.#pending.delete(raw)
      this.#events.onAccepted(socket)
    }
  }

  #handshakeFailed(error: Error, socket: TLSSocket): void {
    const raw = rawOf(socket)
    if (raw) this.#refuse(raw, handshakeError(error, socket, this.#settings.handshakeTimeout))
    socket.destroy()
  }

  #refuse(raw: Socket, error: TokenError): void {
    raw.destroy()
    const visitor = this.#visitors.get(raw)
    if (visitor?.state !== 'pending') return
    visitor.state = 'refused'
    this.#pending.delete(raw)
    const { address, port } = visitor
    this.#events.onRefused(Object.freeze({ address, port, code: error.code, error }))
  }

  /** One who leaves in the handshake stays pending until Node tells it by `tlsClientError`, right after. */
  #left(visitor: Visitor): void {
    if (visitor.state === 'accepted') this.#accepted--
    const count = (this.#countByAddress.get(visitor.address) ?? 1) - 1
    if (count === 0) this.#countByAddress.delete(visitor.address)
    else this.#countByAddress.set(visitor.address, count)
  }
}

/** Node gives no public way from a TLS socket to the raw one it wraps, and forgets the address on a reset. */
function rawOf(socket: TLSSocket): Socket | undefined {
  return (socket as TLSSocket & { _parent?: Socket })._parent
}

function limitError(code: TokenErrorCode, name: string, value: number): TokenError {
  return new TokenError(code, `Cannot accept a connection: ${name} is ${value}`)
}

function handshakeError(cause: Error, socket: TLSSocket, timeout: number): TokenError {
  const code = codeOf(cause)
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    return new TokenError(
      'ERR_HANDSHAKE_TIMEOUT',
      `Cannot complete a TLS handshake: it took longer than handshakeTimeout, ${timeout} ms`,
      { cause }
    )
  }
  // The cause says ECONNRESET when Node itself refused the chain; only the socket knows why.
  const chainError = socket.authorizationError as unknown
  if (chainError || code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') {
    const reason = chainError ? String(chainError) : 'it showed none'
    return new TokenError(
      'ERR_CERTIFICATE',
      `Cannot trust a client: its certificate was refused, ${reason}`,
      { cause }
    )
  }
  return new TokenError('ERR_HANDSHAKE', `Cannot complete a TLS handshake: it failed with ${code}`, { cause })
}
