import type { X509Certificate } from 'node:crypto'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { SocketReads } from '../connection/socket-reads'
import { codeOf, dialError } from '../errors/socket-error'
import { TokenError } from '../errors/token-error'
import { untrustedServer } from '../errors/trust-errors'
import { type ClockTimer, clock } from '../runtime/clock'
import { nextTick } from '../runtime/event-loop'
import { PatientDeadline } from '../runtime/patient-deadline'
import { checkTrust, distrust, type TrustFailure } from '../tls/check-trust'
import { knownCertificates } from '../tls/known-certificates'
import { certificateOf } from '../tls/peer'

/** What a later dial needs to resume a TLS session. */
export interface Ticket {
  readonly session: Buffer
  /** The server's certificate of the full handshake: Node does not know it of a resumed session. */
  readonly certificate: X509Certificate | undefined
  /** Why the full handshake did not trust the server: a resumed one doesn't look at its name again. */
  readonly failure: TrustFailure | null
}

/** What a dial tells its client: one of the first two, once. */
export interface DialEvents {
  /** TLS is up and the server is trusted. @param timeLeft milliseconds of `connectTimeout`; Infinity when it is off */
  onSocket(socket: TLSSocket, certificate: X509Certificate | undefined, timeLeft: number): void
  onFailed(error: TokenError): void
  /** A ticket with which the next dial to this server can resume. */
  onTicket(ticket: Ticket): void
}

export interface DialTimes {
  /** Milliseconds for the name, TCP and TLS together. */
  readonly connectTimeout: number
  /** Milliseconds in which a refused TCP connection is tried again. */
  readonly refusedRetryTimeout: number
}

/**
 * Milliseconds that one of several addresses of a name gets at most, and its part of `connectTimeout`. Node's own 250 ms
 * would cut a distant server at every dial.
 */
const ADDRESS_TIMEOUT = 2_500
const ADDRESS_PART = 1 / 4

const REFUSED_RETRY_INTERVAL = 25

/** One attempt to reach a server, from the name to the end of the TLS handshake. */
export class Dial {
  readonly #options: ConnectionOptions
  readonly #ticket: Ticket | undefined
  readonly #times: DialTimes
  readonly #events: DialEvents
  readonly #deadline: PatientDeadline
  readonly #begun = clock.now()
  #socket: TLSSocket | null = null
  #retry: ClockTimer | null = null
  #isOver = false

  /** Begins at once; the events come in a later tick. */
  constructor(options: ConnectionOptions, ticket: Ticket | undefined, times: DialTimes, events: DialEvents) {
    this.#options = {
      autoSelectFamilyAttemptTimeout: addressTimeout(times.connectTimeout),
      ...options,
      ...(ticket && { session: ticket.session })
    } as ConnectionOptions
    this.#ticket = ticket
    this.#times = times
    this.#events = events
    this.#deadline = new PatientDeadline(times.connectTimeout, () => this.#expired())
    this.#deadline.arm()
    this.#try()
  }

  /** Where it dials, for messages. */
  get target(): string {
    const { socket, path, host, port } = this.#options
    if (socket !== undefined) return `${host ?? 'localhost'} over option socket`
    return path ?? `${host ?? 'localhost'}:${port}`
  }

  /** Gives up; no event comes any more. */
  cancel(): void {
    this.#isOver = true
    this.#deadline.clear()
    if (this.#retry !== null) clock.clearTimeout(this.#retry)
    this.#socket?.on('error', () => {})
    this.#socket?.destroy()
  }

  #try(): void {
    let isTcpOpen = false
    const failed = (cause: Error) => this.#failed(cause, isTcpOpen)
    try {
      const socket = this.#connect()
      this.#socket = socket
      socket.once('connect', () => {
        isTcpOpen = true
      })
      socket.on('error', failed)
      socket.once('secureConnect', () => {
        socket.removeListener('error', failed)
        this.#secured(socket)
      })
    } catch (cause) {
      nextTick(failed, cause)
    }
  }

  #connect(): TLSSocket {
    const { socket: given } = this.#options
    if (given?.destroyed) {
      // TLS would wait for it for ever.
      throw Object.assign(new Error('The socket is closed'), { code: 'ERR_SOCKET_CLOSED' })
    }
    // Only over TCP does TLS read into given memory.
    if (given !== undefined) return connect(this.#options)
    const reads = new SocketReads()
    const socket = connect({ ...this.#options, onread: reads.onread } as ConnectionOptions)
    reads.own(socket)
    return socket
  }

  #secured(socket: TLSSocket): void {
    if (this.#isOver) return
    const ticket = socket.isSessionReused() ? this.#ticket : undefined
    const certificate = ticket === undefined ? certificateOf(socket) : ticket.certificate
    // Node does not look at the dates of a resumed session.
    const failure = ticket?.failure ?? checkTrust(socket, new Date(), certificate)
    if (failure !== null && this.#options.rejectUnauthorized !== false) {
      this.#giveUp(untrustedServer(this.target, failure.reason))
      return
    }
    if (failure !== null) distrust(socket, failure.reason)
    else if (certificate !== undefined) knownCertificates.keep(certificate)
    this.#isOver = true
    const { timeLeft } = this.#deadline
    this.#deadline.clear()
    // A ticket comes after `secureConnect`.
    socket.on('session', session => this.#events.onTicket({ session, certificate, failure }))
    this.#events.onSocket(socket, certificate, timeLeft)
  }

  #failed(cause: Error, isTcpOpen: boolean): void {
    if (this.#isOver) return
    const isInTime = clock.now() - this.#begun < this.#times.refusedRetryTimeout
    if (!isTcpOpen && isInTime && isRefused(cause)) {
      this.#retry = clock.setTimeout(() => this.#try(), REFUSED_RETRY_INTERVAL)
    } else {
      this.#giveUp(dialError(cause, this.target, isTcpOpen, Boolean(this.#socket?.authorizationError)))
    }
  }

  #expired(): void {
    const { connectTimeout } = this.#times
    const message = `Cannot connect to ${this.target}: it took longer than connectTimeout, ${connectTimeout} ms`
    this.#giveUp(new TokenError('ERR_CONNECT_TIMEOUT', message))
  }

  #giveUp(error: TokenError): void {
    this.cancel()
    this.#events.onFailed(error)
  }
}

/** True when nobody listens there yet: all addresses refused, or the Unix path is not there. */
function isRefused(cause: Error): boolean {
  const code = codeOf(cause)
  return code === 'ECONNREFUSED' || code === 'ENOENT'
}

function addressTimeout(connectTimeout: number): number {
  return Math.ceil(Math.min(ADDRESS_TIMEOUT, connectTimeout * ADDRESS_PART || ADDRESS_TIMEOUT))
}
