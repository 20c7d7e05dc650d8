import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Server, TLSSocket } from 'node:tls'
import type { Connection } from '../connection/connection'
import { codeOf, inWords } from '../errors/socket-error'
import { tidied } from '../errors/tls-words'
import { TokenError, type TokenErrorCode } from '../errors/token-error'
import { sayClose } from '../protocol/say-close'
import { clock } from '../runtime/clock'
import { ConnectRate } from '../runtime/connect-rate'
import { CountsByKey } from '../runtime/counts-by-key'
import { setImmediate } from '../runtime/event-loop'
import { PatientDeadline } from '../runtime/patient-deadline'
import { type Peer, peerOf } from '../tls/peer'
import type { ServerSettings } from './server-options'

/** Someone who came to the port of a server and got no connection. */
export interface Refusal {
  /** The address that came; `unknown` when it was gone before it could be read. */
  readonly address: string
  readonly port: number
  /** The code of `error`. */
  readonly code: TokenErrorCode
  readonly error: TokenError
  /** What the certificate says, trusted or not; null when none was seen. */
  readonly peer: Peer | null
}

/** A TCP connection from its accept to its close. */
export interface PendingClient {
  readonly raw: Socket
  readonly address: string
  readonly port: number
  /** When it was accepted by TCP: milliseconds of the monotonic clock. */
  readonly since: number
  /** Counts `handshakeTimeout`; null when a connection counts it, or the client is accepted or refused. */
  deadline: PatientDeadline | null
  /** It is null until the TLS handshake is done, and once an accepted client is gone. */
  socket: TLSSocket | null
  /** The connection that is not accepted yet; null before, and once it is accepted or refused. */
  connection: Connection | null
  /** True when it counts for `maxConnections`. */
  isAdmitted: boolean
  /** What the client showed in the TLS handshake. */
  certificate: X509Certificate | undefined
  /** What the certificate says, once that was read: a closed socket does not tell it any more. */
  peer: Peer | null
}

/** A client whose TLS handshake is done. */
export interface SecuredClient extends PendingClient {
  socket: TLSSocket
}

export interface PendingClientsEvents {
  /** The TLS handshake is done; the client is pending until it is admitted or refused. */
  onSecured(client: SecuredClient): void
  onRefused(refusal: Refusal): void
}

/**
 * The clients between TCP's accept and their acceptance: it bounds them before any TLS work is done, and tells one refusal
 * of each that gets no connection.
 *
 * Node's own `handshakeTimeout` emits an error and closes nothing, does not forgive a blocked process, and `server.close()`
 * waits for half-done handshakes for ever: so each raw socket is known here, timed and destroyed.
 */
export class PendingClients {
  readonly #settings: ServerSettings
  readonly #events: PendingClientsEvents
  /** One function for all sockets: a closure costs each of them 90 bytes. */
  readonly #onClose: (this: Socket) => void
  /** It knows closed sockets too: Node tells why a handshake failed only after the raw socket has closed. */
  readonly #clients = new WeakMap<Socket, PendingClient>()
  /** The clients that are not admitted yet, the oldest first. */
  readonly #pending = new Set<PendingClient>()
  #admitted = 0
  /** Counts those whose connection waits to be accepted, by identity. */
  readonly #waiting = new CountsByKey<PendingClient>()
  readonly #byAddress = new CountsByKey<PendingClient>()
  readonly #connectRate: ConnectRate

  constructor(settings: ServerSettings, events: PendingClientsEvents) {
    this.#settings = settings
    this.#events = events
    this.#connectRate = new ConnectRate(settings.maxConnectRatePerAddress)
    const left = (raw: Socket) => this.#left(this.#clients.get(raw) as PendingClient)
    this.#onClose = function () {
      left(this)
    }
  }

  get size(): number {
    return this.#pending.size
  }

  /** The connections that are not accepted yet, the oldest first. */
  *connections(): Generator<Connection> {
    for (const { connection } of this.#pending) if (connection !== null) yield connection
  }

  /** Puts the limits before Node's own listener, which begins the TLS work. */
  guard(server: Server): void {
    const listeners = server.listeners('connection') as ((raw: Socket) => void)[]
    server.removeAllListeners('connection')
    server.on('connection', (raw: Socket) => {
      if (this.#enter(raw)) for (const listener of listeners) listener.call(server, raw)
    })
    server.on('tlsClientError', (error, socket) => this.#handshakeFailed(error, socket))
    server.on('secureConnection', socket => this.#handshakeDone(socket))
  }

  /** Stops the clock of a client, for a connection that counts on. @returns milliseconds left of `handshakeTimeout` */
  takeTime(client: PendingClient): number {
    const { deadline } = client
    deadline?.clear()
    client.deadline = null
    return deadline?.timeLeft ?? 1
  }

  /**
   * Counts a client under its identity until it is accepted. Those who wait have a limit apart from those who are accepted:
   * a client that comes back must not be in its own way.
   *
   * @returns why it may not wait
   */
  introduce(client: PendingClient, identity: string | null): TokenError | null {
    if (identity === null) return null
    const { maxConnectionsPerIdentity } = this.#settings
    if (this.#waiting.of(identity) >= maxConnectionsPerIdentity)
      return tooManyOfIdentity(maxConnectionsPerIdentity)
    this.#waiting.add(client, identity)
    return null
  }

  /** Accepts a client. @returns why not, when it has left, or others have taken the last place meanwhile */
  admit(client: PendingClient): TokenError | null {
    if (client.raw.destroyed || !this.#pending.has(client)) return clientLeft()
    const { maxConnections } = this.#settings
    if (this.#admitted >= maxConnections) return fullError(maxConnections)
    this.#forget(client)
    this.#admitted++
    client.isAdmitted = true
    return null
  }

  /** Ends the socket of a client, on token/2 with CLOSE if the error has a code for it, and tells the refusal. */
  reject(client: PendingClient, error: TokenError): void {
    const { raw, socket } = client
    const refusal = this.#refusalOf(client, error)
    if (socket?.alpnProtocol === 'token/2' && error.closeCode !== undefined) {
      sayClose(socket, error.closeCode)
    } else {
      socket?.destroy()
      raw.destroy()
    }
    if (refusal !== null) this.#events.onRefused(refusal)
  }

  /** Tells the refusal of a client whose connection ends the socket. */
  refused(client: PendingClient, error: TokenError): void {
    const refusal = this.#refusalOf(client, error)
    if (refusal !== null) this.#events.onRefused(refusal)
  }

  /** Tells of a client for which the operating system had no socket. */
  acceptFailed(cause: Error): void {
    const message = `Cannot accept a connection: accept failed with ${codeOf(cause)}`
    const error = new TokenError('ERR_TOO_MANY_FILES', message, { cause })
    this.#events.onRefused(
      Object.freeze({ address: 'unknown', port: 0, code: error.code, error, peer: null })
    )
  }

  rejectAll(error: TokenError): void {
    for (const client of [...this.#pending]) this.reject(client, error)
  }

  /** @returns null when the client is no longer pending. A socket that has closed would not know its peer any more. */
  #refusalOf(client: PendingClient, error: TokenError): Refusal | null {
    if (!this.#forget(client)) return null
    const { address, port, socket } = client
    const peer = client.peer ?? (socket && peerOf(socket))
    return Object.freeze({ address, port, code: error.code, error, peer })
  }

  #forget(client: PendingClient): boolean {
    this.takeTime(client)
    client.connection = null
    this.#waiting.remove(client)
    return this.#pending.delete(client)
  }

  #enter(raw: Socket): boolean {
    const { handshakeTimeout } = this.#settings
    const deadline = new PatientDeadline(handshakeTimeout, () => this.#tooLate(client))
    const client: PendingClient = {
      raw,
      deadline,
      address: raw.remoteAddress ?? 'unknown',
      port: raw.remotePort ?? 0,
      since: clock.now(),
      socket: null,
      connection: null,
      certificate: undefined,
      isAdmitted: false,
      peer: null
    }
    deadline.arm()
    this.#clients.set(raw, client)
    this.#pending.add(client)
    raw.on('close', this.#onClose)
    raw.on('error', ignore)
    // Clients of a Unix socket have no address, and are not all one client.
    if (raw.remoteAddress !== undefined) this.#byAddress.add(client, raw.remoteAddress)
    return this.#isWithinLimits(client)
  }

  #isWithinLimits(client: PendingClient): boolean {
    const { maxConnectionsPerAddress, maxConnectRatePerAddress, maxPendingHandshakes } = this.#settings
    if (this.#isFull(client)) return false
    if (client.raw.remoteAddress !== undefined && !this.#connectRate.take(client.address)) {
      const code = 'ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS'
      this.reject(client, limitError(code, 'maxConnectRatePerAddress', maxConnectRatePerAddress))
    } else if (this.#byAddress.of(client.address) > maxConnectionsPerAddress) {
      const code = 'ERR_TOO_MANY_CONNECTIONS_PER_ADDRESS'
      this.reject(client, limitError(code, 'maxConnectionsPerAddress', maxConnectionsPerAddress))
    } else if (this.#pending.size > maxPendingHandshakes) {
      const [oldest] = this.#pending
      const error = limitError('ERR_TOO_MANY_HANDSHAKES', 'maxPendingHandshakes', maxPendingHandshakes)
      if (oldest) this.reject(oldest, error)
    }
    return this.#pending.has(client)
  }

  /** It is asked when TCP accepts, so that no TLS work is done for nothing, and again after the TLS handshake. */
  #isFull(client: PendingClient): boolean {
    const { maxConnections } = this.#settings
    if (this.#admitted < maxConnections) return false
    this.reject(client, fullError(maxConnections))
    return true
  }

  #handshakeDone(socket: TLSSocket): void {
    const raw = rawOf(socket)
    const client = raw && this.#clients.get(raw)
    if (!client || !this.#pending.has(client)) {
      socket.destroy()
    } else if (!this.#isFull(client)) {
      forgetConnect(raw)
      this.#events.onSecured(Object.assign(client, { socket }))
    }
  }

  #handshakeFailed(error: Error, socket: TLSSocket): void {
    const raw = rawOf(socket)
    const client = raw && this.#clients.get(raw)
    if (client) this.reject(client, handshakeError(error, raw))
    socket.destroy()
  }

  #tooLate(client: PendingClient): void {
    const { handshakeTimeout } = this.#settings
    const message =
      client.socket === null
        ? `Cannot complete a TLS handshake: it took longer than handshakeTimeout, ${handshakeTimeout} ms`
        : 'Cannot tell the protocol of a client: it sent nothing'
    this.reject(client, new TokenError('ERR_HANDSHAKE_TIMEOUT', message))
  }

  /** `tlsClientError`, or its connection, tells why it left a little later. */
  #left(client: PendingClient): void {
    if (client.isAdmitted) {
      this.#admitted--
      client.socket = null
    } else {
      setImmediate(() => {
        if (this.#pending.has(client)) this.refused(client, leftEarly())
      })
    }
    this.#byAddress.remove(client)
  }
}

function ignore(): void {}

/** TLS waits for a `connect` that came before it: its listener would take 200 bytes for as long as the socket lives. */
function forgetConnect(raw: Socket): void {
  // `removeAllListeners` would leave a table of listeners that takes more memory than before.
  for (const listener of raw.listeners('connect')) raw.removeListener('connect', listener as () => void)
}

/** Node has no public way from a TLS socket to the raw one in it, and forgets the address on a reset. */
function rawOf(socket: TLSSocket): Socket | undefined {
  return (socket as TLSSocket & { _parent?: Socket })._parent
}

function leftEarly(): TokenError {
  return new TokenError('ERR_HANDSHAKE', 'Cannot accept a connection: the client left before it was accepted')
}

export function clientLeft(): TokenError {
  return new TokenError('ERR_LOST', 'Cannot accept a connection: the client left')
}

function fullError(maxConnections: number): TokenError {
  return limitError('ERR_TOO_MANY_CONNECTIONS', 'maxConnections', maxConnections)
}

export function tooManyOfIdentity(maxConnectionsPerIdentity: number): TokenError {
  const message = `Cannot accept a connection: maxConnectionsPerIdentity is ${maxConnectionsPerIdentity}`
  return new TokenError('ERR_TOO_MANY_CONNECTIONS_PER_IDENTITY', message, { closeCode: 'overloaded' })
}

export function limitError(code: TokenErrorCode, name: string, value: number): TokenError {
  return new TokenError(code, `Cannot accept a connection: ${name} is ${value}`)
}

/** A client of Node can't do otherwise: it looks at the certificate when OpenSSL is done, and has no call for an alert. */
const LEFT_AFTER_CERTIFICATE =
  "the client left when it had this server's certificate, and said nothing: most likely it does not trust it, and its own " +
  'error says why'

function handshakeError(cause: Error, raw: Socket): TokenError {
  const code = codeOf(cause)
  const why =
    code === 'ECONNRESET' && raw.bytesWritten > 0 ? `${code}: ${LEFT_AFTER_CERTIFICATE}` : inWords(code)
  const message = `Cannot complete a TLS handshake: it failed with ${why}`
  return new TokenError('ERR_HANDSHAKE', message, { cause: tidied(cause) })
}
